import * as tf from "@tensorflow/tfjs-core";
import type { WeightStorage } from "@villa/core";
import { type Box, checkArgument, type RgbImage, VillaError } from "@villa/data";
import { cropRegion } from "./regions/crop-region.ts";
import { checkBoxes, checkMasks, type ImageMasks } from "./regions/group-regions.ts";
import { regionInput, wholeInput } from "./regions/picture-input.ts";
import type { ImageEncoder, ImageTower, RegionOptions } from "./tower.ts";

/** How {@link towerEncoder} names itself and how much it computes at once. */
export interface TowerEncoderOptions extends RegionOptions {
  readonly name: string;
  /** For the manifest, beside the region mode. */
  readonly options: ImageEncoder["options"];
  /** How its weights are stored, for the manifest; `float32` is not mentioned. */
  readonly storage?: WeightStorage | undefined;
  /** Pixels of the tower's images that run through it at once; bounds memory. Default 8 images of 84 × 84. */
  readonly pixelsPerBatch?: number | undefined;
  /** Regions of a map that are embedded at once, at most. Default 32. */
  readonly regionsPerBatch?: number | undefined;
  /** Images that keep their size are refused when they have more pixels: they need about 500 bytes each. Default 4 million. */
  readonly largestImage?: number | undefined;
}

/** A tower that only has to compute, maybe in another process: what {@link towerEncoder} needs of an {@link ImageTower}. */
export interface FrozenTower
  extends Pick<ImageTower, "embedDim" | "input" | "regionEmbeddings" | "maskEmbeddings" | "dispose"> {
  /** @param images [B, h, w, 3] @returns [B, gh, gw, C] */
  features(images: tf.Tensor4D): tf.Tensor4D | Promise<tf.Tensor4D>;
  /** @param images [B, h, w, 3] @returns [B, embedDim], not normalised */
  imageEmbeddings(images: tf.Tensor4D): tf.Tensor2D | Promise<tf.Tensor2D>;
}

/** A tower as an {@link ImageEncoder}: pictures of any sizes, a few at a time. */
export function towerEncoder(tower: ImageTower | FrozenTower, settings: TowerEncoderOptions): ImageEncoder {
  checkArgument("tower", tower, "object");
  checkArgument("settings", settings, {
    name: "text",
    options: "object",
    "pixelsPerBatch?": "number",
    "regionsPerBatch?": "number",
    "largestImage?": "number",
    "regions?": "'roi-align' | 'crop' | 'mask'",
    "context?": "number",
    "dense?": "'value' | 'last-hidden'",
    "imageSize?": "count",
    "storage?": "'float32' | 'float16'",
  });

  const { name, regions = "roi-align", context = 0, storage = "float32" } = settings;
  const options = storage === "float32" ? settings.options : { ...settings.options, storage };
  const { pixelsPerBatch = 8 * 84 * 84, regionsPerBatch = 32, largestImage = 4_000_000 } = settings;
  if (!(context >= 0 && Number.isFinite(context))) {
    throw new VillaError("InvalidArgument", `The context of a crop must be 0 or a positive share, not ${context}.`);
  }
  if (regions === "mask" && !tower.maskEmbeddings) {
    throw new VillaError(
      "InvalidArgument",
      `${name} has no patch tokens that masks could select; use roi-align or crop.`,
    );
  }
  return {
    name,
    dimension: tower.embedDim,
    options: context > 0 ? { regions, ...options, context } : { regions, ...options },
    tower: "parameters" in tower ? tower : undefined,
    encodeImages: (images) => encodeWhole(tower, images, pixelsPerBatch),
    async encodeRegions(images, boxes, { masks } = {}) {
      checkBoxes(images, boxes);
      checkMasks(masks, { images, boxes });
      if (regions === "crop") return encodeCrops(tower, images, boxes, { context, regionsPerBatch });
      const { cropSide } = tower.input.regions;
      if (cropSide !== undefined && regions !== "mask") {
        return encodeOneByOne(tower, images, boxes, Math.max(1, Math.floor(pixelsPerBatch / cropSide ** 2)));
      }
      for (const image of images) checkSize(image, tower, largestImage);
      const embed = regions === "mask" ? tower.maskEmbeddings!.bind(tower) : tower.regionEmbeddings.bind(tower);
      const result = new Rows(boxes, tower.embedDim);
      for (const batch of sameSizeBatches(tower, images, boxes, pixelsPerBatch)) {
        await encodeBatch(tower, embed, { images, boxes, masks, batch, result, regionsPerBatch });
      }
      return result.values;
    },
    dispose: () => tower.dispose(),
  };
}

interface Batch {
  readonly images: readonly RgbImage[];
  readonly boxes: readonly (readonly Box[])[];
  readonly masks: ImageMasks | undefined;
  /** Indices of the images in this batch. */
  readonly batch: readonly number[];
  readonly result: Rows;
  readonly regionsPerBatch: number;
}

async function encodeBatch(
  tower: FrozenTower,
  embed: ImageTower["regionEmbeddings"],
  { images, boxes, masks, batch, result, regionsPerBatch }: Batch,
): Promise<void> {
  const input = regionInput(tower.input, {
    images: batch.map((image) => images[image]!),
    boxes: batch.map((image) => boxes[image]!),
    masks: masks && batch.map((image) => masks[image]),
  });
  const features = await used(input.images, (images) => tower.features(images));
  try {
    const refs = batch.flatMap((image) => boxes[image]!.map((_, region) => ({ image, region })));
    // Equal parts: what is computed once a part is then computed as seldom as the bound allows.
    const step = Math.ceil(refs.length / Math.ceil(refs.length / regionsPerBatch));
    for (let from = 0; from < refs.length; from += step) {
      const to = Math.min(refs.length, from + step);
      const { boxes: all, imageIndex, imageWidth, masks: ofRegions } = input.regions;
      const part = {
        boxes: Array.prototype.slice.call(all, from * 4, to * 4) as number[],
        imageIndex: Array.prototype.slice.call(imageIndex, from, to) as number[],
        imageWidth,
        masks: ofRegions?.slice(from, to),
      };
      const rows = await take(embed(features, part));
      refs.slice(from, to).forEach(({ image, region }, i) => {
        result.set(image, region, rows.subarray(i * tower.embedDim, (i + 1) * tower.embedDim));
      });
    }
  } finally {
    features.dispose();
  }
}

/** Regions of a tower that sees crops, `perBatch` at a time. */
async function encodeOneByOne(
  tower: FrozenTower,
  images: readonly RgbImage[],
  boxes: readonly (readonly Box[])[],
  perBatch: number,
): Promise<Float32Array> {
  const refs = boxes.flatMap((ofImage, image) => ofImage.map((box) => ({ image, box })));
  const result = new Float32Array(refs.length * tower.embedDim);
  for (let from = 0; from < refs.length; from += perBatch) {
    const chunk = refs.slice(from, from + perBatch);
    const input = regionInput(tower.input, {
      images: chunk.map(({ image }) => images[image]!),
      boxes: chunk.map(({ box }) => [box]),
    });
    const features = await used(input.images, (crops) => tower.features(crops));
    const rows = await used(features, (maps) => take(tower.regionEmbeddings(maps, input.regions)));
    result.set(rows, from * tower.embedDim);
  }
  return result;
}

/** Every region as a picture of its own, squeezed into the tower's square and normalised as the family does it. */
async function encodeCrops(
  tower: FrozenTower,
  images: readonly RgbImage[],
  boxes: readonly (readonly Box[])[],
  { context, regionsPerBatch }: { context: number; regionsPerBatch: number },
): Promise<Float32Array> {
  const { whole } = tower.input;
  const side = whole.crop?.[0] ?? [whole.resize].flat()[0]!;
  const values = 3 * side * side;
  // A crop of 224 × 224 costs about as much memory as the regions of seven small images.
  const perBatch = Math.max(1, Math.floor(regionsPerBatch / 8));
  const refs = boxes.flatMap((ofImage, image) => ofImage.map((box) => ({ image, box })));
  const result = new Float32Array(refs.length * tower.embedDim);
  for (let from = 0; from < refs.length; from += perBatch) {
    const chunk = refs.slice(from, from + perBatch);
    const crops = new Float32Array(chunk.length * values);
    chunk.forEach(({ image, box }, i) => {
      const crop = crops.subarray(i * values, (i + 1) * values);
      cropRegion(images[image]!, widened(box, context, images[image]!), { side, layout: "HWC", out: crop });
      for (let at = 0; at < values; at++) crop[at] = (crop[at]! - whole.mean[at % 3]!) / whole.deviation[at % 3]!;
    });
    const embeddings = await used(tf.tensor4d(crops, [chunk.length, side, side, 3]), (x) => tower.imageEmbeddings(x));
    result.set(await take(embeddings), from * tower.embedDim);
  }
  return result;
}

/** A box with some of its surroundings, cut at the image's edges. */
function widened(box: Box, context: number, { width, height }: RgbImage): Box {
  if (context === 0) return box;
  const [x0, y0, x1, y1] = box;
  const [across, down] = [(x1 - x0) * context, (y1 - y0) * context];
  return [Math.max(0, x0 - across), Math.max(0, y0 - down), Math.min(width, x1 + across), Math.min(height, y1 + down)];
}

async function encodeWhole(
  tower: FrozenTower,
  images: readonly RgbImage[],
  pixelsPerBatch: number,
): Promise<Float32Array> {
  const result = new Float32Array(images.length * tower.embedDim);
  const { resize, crop } = tower.input.whole;
  const size = crop ?? (typeof resize === "number" ? undefined : resize);
  // Without a crop pictures end in different sizes. What runs alone needs no memory for regions beside it.
  const perBatch = size ? Math.max(1, Math.floor((4 * pixelsPerBatch) / (size[0] * size[1]))) : 1;
  for (let from = 0; from < images.length; from += perBatch) {
    const chunk = images.slice(from, from + perBatch);
    const embeddings = await used(wholeInput(tower.input, chunk), (x) => tower.imageEmbeddings(x));
    result.set(await take(embeddings), from * tower.embedDim);
  }
  return result;
}

/** Images that keep their size must leave something of the map, and everything has to fit into memory. */
function checkSize({ width, height }: RgbImage, { input }: FrozenTower, largest: number): void {
  const scaled = input.regions.size !== undefined;
  if ((scaled || width * height <= largest) && width >= input.smallest && height >= input.smallest) return;
  throw new VillaError(
    "InvalidArgument",
    `An image of ${width} × ${height} pixels cannot be encoded: scale images and boxes to sides of at least ${input.smallest} pixels${scaled ? "" : ` and at most ${largest} pixels in all`}.`,
  );
}

/** Rows of all regions, filled in any order of images. */
class Rows {
  readonly values: Float32Array;
  readonly #starts: number[] = [];
  readonly #dimension: number;

  constructor(boxes: readonly (readonly Box[])[], dimension: number) {
    let start = 0;
    for (const ofImage of boxes) {
      this.#starts.push(start);
      start += ofImage.length;
    }
    this.values = new Float32Array(start * dimension);
    this.#dimension = dimension;
  }

  set(image: number, region: number, row: Float32Array): void {
    this.values.set(row, (this.#starts[image]! + region) * this.#dimension);
  }
}

/** Numbers of images with regions that can share a tensor: of one size, in order, and not more pixels than allowed. */
function sameSizeBatches(
  { input }: FrozenTower,
  images: readonly RgbImage[],
  boxes: readonly (readonly Box[])[],
  pixelsPerBatch: number,
): number[][] {
  const open = new Map<string, number[]>();
  const batches: number[][] = [];
  images.forEach((picture, image) => {
    if (boxes[image]!.length === 0) return;
    const { size } = input.regions;
    const [width, height] = size === undefined ? [picture.width, picture.height] : [size, size];
    const batch = open.get(`${width}×${height}`);
    if (batch && (batch.length + 1) * width * height <= pixelsPerBatch) {
      batch.push(image);
    } else {
      const fresh = [image];
      open.set(`${width}×${height}`, fresh);
      batches.push(fresh);
    }
  });
  return batches;
}

/** Does some work on images and frees them. */
async function used<T>(images: tf.Tensor4D, work: (images: tf.Tensor4D) => T | Promise<T>): Promise<T> {
  try {
    return await work(images);
  } finally {
    images.dispose();
  }
}

/** Reads the values of a tensor and frees it. */
async function take(tensor: tf.Tensor): Promise<Float32Array> {
  const values = (await tensor.data()) as Float32Array;
  const copy = values.slice(); // a backend may hand out its own memory
  tensor.dispose();
  return copy;
}
