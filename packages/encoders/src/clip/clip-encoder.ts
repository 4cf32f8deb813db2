import * as tf from "@tensorflow/tfjs-core";
import { type RgbImage, VillaError } from "@villa/data";
import type { Box, Encoder } from "../encoder.ts";
import { imageTensor } from "../image-tensor.ts";
import { cropRegion } from "../regions/crop-region.ts";
import { groupRegions } from "../regions/group-regions.ts";
import type { ClipModel } from "./clip-model.ts";

/** How {@link clipEncoder} sees regions. */
export interface ClipEncoderOptions {
  /**
   * `roi-align` (the paper's): the whole image runs through layer3 once and regions are cut from its feature map.
   * `crop`: every region is cut from the image, resized to CLIP's input size and encoded as an image of its own. Slower
   * by the number of regions, blind to their surroundings, but as CLIP was trained. Default `roi-align`.
   */
  readonly regions?: "roi-align" | "crop" | undefined;
  /** Pixels that run through the backbone at once; bounds memory. Default 8 images of 84 × 84. */
  readonly pixelsPerBatch?: number | undefined;
  /** Regions that run through layer4 at once. Default 20. */
  readonly regionsPerBatch?: number | undefined;
  /**
   * Images of more pixels are refused: they run at their own size and need about 500 bytes a pixel. Default 4 million.
   */
  readonly largestImage?: number | undefined;
}

const textsPerBatch = 64;

/** CLIP as an {@link Encoder}. Images go in as value / 255, without CLIP's mean and deviation, as in the original. */
export function clipEncoder(model: ClipModel, options: ClipEncoderOptions = {}): Encoder {
  const { regions = "roi-align", pixelsPerBatch = 8 * 84 * 84, regionsPerBatch = 20 } = options;
  const { largestImage = 4_000_000 } = options;
  const { layers, width, embedDim } = model.config.vision;
  const isRn50 = `${layers}` === "3,4,6,3" && width === 64;
  return {
    name: isRn50 ? "clip-rn50" : "clip-resnet",
    dimension: embedDim,
    options: { regions, layers: layers.join("-"), width },
    async encodeRegions(images, boxes) {
      if (images.length !== boxes.length) {
        throw new VillaError("InvalidArgument", `${images.length} images came with boxes of ${boxes.length}.`);
      }
      if (regions === "roi-align") checkSizes(images, largestImage);
      const result = new RegionResult(boxes, embedDim);
      if (regions === "crop") await encodeCrops(model, images, boxes, result, regionsPerBatch);
      else await encodeAligned(model, images, boxes, result, pixelsPerBatch, regionsPerBatch);
      return result.values;
    },
    async encodeText(texts) {
      const result = new Float32Array(texts.length * embedDim);
      for (let from = 0; from < texts.length; from += textsPerBatch) {
        const rows = await take(model.encodeText(texts.slice(from, from + textsPerBatch)));
        result.set(rows, from * embedDim);
      }
      return result;
    },
    dispose: () => model.dispose(),
  };
}

/** layer3's map has to keep at least one position after four halvings, and everything has to fit into memory. */
function checkSizes(images: readonly RgbImage[], largestImage: number): void {
  for (const { width, height } of images) {
    if (width * height > largestImage || width < 16 || height < 16) {
      throw new VillaError(
        "InvalidArgument",
        `An image of ${width} × ${height} pixels cannot be encoded: scale images and boxes to sides of at least 16 pixels and at most ${largestImage} pixels in all.`,
      );
    }
  }
}

/** Rows of all regions, filled in any order of images. */
class RegionResult {
  readonly values: Float32Array;
  private readonly starts: number[] = [];
  private readonly dimension: number;

  constructor(boxes: readonly (readonly Box[])[], dimension: number) {
    let start = 0;
    for (const ofImage of boxes) {
      this.starts.push(start);
      start += ofImage.length;
    }
    this.values = new Float32Array(start * dimension);
    this.dimension = dimension;
  }

  set(image: number, region: number, row: Float32Array): void {
    this.values.set(row, (this.starts[image]! + region) * this.dimension);
  }
}

/** One region of one image, by their numbers. */
interface RegionRef {
  readonly image: number;
  readonly region: number;
}

async function encodeAligned(
  model: ClipModel,
  images: readonly RgbImage[],
  boxes: readonly (readonly Box[])[],
  result: RegionResult,
  pixelsPerBatch: number,
  regionsPerBatch: number,
): Promise<void> {
  for (const batch of sameSizeBatches(images, boxes, pixelsPerBatch)) {
    const { width } = images[batch[0]!]!;
    const features = tf.tidy(() => model.visual.features(imageTensor(batch.map((image) => images[image]!))));
    try {
      const refs = batch.flatMap((image) => boxes[image]!.map((_, region): RegionRef => ({ image, region })));
      for (let from = 0; from < refs.length; from += regionsPerBatch) {
        const chunk = refs.slice(from, from + regionsPerBatch);
        const grouped = batch.map((image) =>
          chunk.filter((ref) => ref.image === image).map(({ region }) => boxes[image]![region]!),
        );
        const rows = await take(model.visual.regionEmbeddings(features, groupRegions(grouped, width)));
        store(result, chunk, rows);
      }
    } finally {
      features.dispose();
    }
  }
}

async function encodeCrops(
  model: ClipModel,
  images: readonly RgbImage[],
  boxes: readonly (readonly Box[])[],
  result: RegionResult,
  regionsPerBatch: number,
): Promise<void> {
  const side = model.config.vision.gridSize * 32;
  const values = 3 * side * side;
  // A crop of 224 × 224 costs about as much memory as the regions of seven small images.
  const perBatch = Math.max(1, Math.floor(regionsPerBatch / 5));
  const refs = boxes.flatMap((ofImage, image) => ofImage.map((_, region): RegionRef => ({ image, region })));
  for (let from = 0; from < refs.length; from += perBatch) {
    const chunk = refs.slice(from, from + perBatch);
    const crops = new Float32Array(chunk.length * values);
    chunk.forEach(({ image, region }, i) => {
      const crop = crops.subarray(i * values, (i + 1) * values);
      cropRegion(images[image]!, boxes[image]![region]!, side, "HWC", crop);
      normaliseForClip(crop);
    });
    const embeddings = tf.tidy(() => model.encodeImage(tf.tensor4d(crops, [chunk.length, side, side, 3])));
    store(result, chunk, await take(embeddings));
  }
}

function store(result: RegionResult, refs: readonly RegionRef[], rows: Float32Array): void {
  const dimension = rows.length / refs.length;
  refs.forEach(({ image, region }, i) => {
    result.set(image, region, rows.subarray(i * dimension, (i + 1) * dimension));
  });
}

/** Numbers of images that can share a tensor: of one size, in order, and not more pixels than allowed. */
function sameSizeBatches(
  images: readonly RgbImage[],
  boxes: readonly (readonly Box[])[],
  pixelsPerBatch: number,
): number[][] {
  const open = new Map<string, number[]>();
  const batches: number[][] = [];
  images.forEach(({ width, height }, image) => {
    if (boxes[image]!.length === 0) return;
    const size = `${width}×${height}`;
    const batch = open.get(size);
    if (batch && (batch.length + 1) * width * height <= pixelsPerBatch) {
      batch.push(image);
    } else {
      const fresh = [image];
      open.set(size, fresh);
      batches.push(fresh);
    }
  });
  return batches;
}

const clipMean = [0.48145466, 0.4578275, 0.40821073];
const clipDeviation = [0.26862954, 0.26130258, 0.27577711];

function normaliseForClip(crop: Float32Array): void {
  for (let i = 0; i < crop.length; i++) crop[i] = (crop[i]! - clipMean[i % 3]!) / clipDeviation[i % 3]!;
}

/** The values of a tensor that is not needed any more. */
async function take(tensor: tf.Tensor): Promise<Float32Array> {
  const values = (await tensor.data()) as Float32Array;
  const copy = values.slice(); // a backend may hand out its own memory
  tensor.dispose();
  return copy;
}
