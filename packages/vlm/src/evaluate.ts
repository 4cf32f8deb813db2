import * as tf from "@tensorflow/tfjs-core";
import {
  type Box,
  checkArgument,
  type ProgressListener,
  type RgbImage,
  type Rle,
  regionMasks,
  throwIfAborted,
  VillaError,
} from "@villa/data";
import { type ImageEncoder, type ImageTower, regionInput } from "@villa/encoders";
import type { RegionShape } from "./pairs.ts";
import { embedRegions } from "./region-encoder.ts";

/** What evaluation needs to know of an image. */
export interface LabelledImage {
  readonly imageId: number;
  readonly regionCoord: readonly (readonly number[])[];
  /** True attributes of each region. */
  readonly regToAttr?: readonly (readonly string[])[] | undefined;
  /** [height, width] in pixels; needed where there are masks. */
  readonly imageSize?: readonly [number, number] | undefined;
  /** Masks of the regions, as annotations hold them. */
  readonly regionMasks?: readonly (string | null)[] | undefined;
}

/**
 * Which region truly has which attribute.
 *
 * @returns [regions of all images, attributes] 0 or 1
 * @throws VillaError `Mismatch` when an image has no ground truth or names an unknown attribute
 */
export function regionLabels(images: readonly LabelledImage[], attributes: readonly string[]): Uint8Array {
  checkArgument("images", images, [{ imageId: "number", regionCoord: ["numbers"], "regToAttr?": ["list"] }]);
  checkArgument("attributes", attributes, ["text"]);

  const column = new Map(attributes.map((attribute, i) => [attribute, i]));
  const regions = images.reduce((sum, { regionCoord }) => sum + regionCoord.length, 0);
  const labels = new Uint8Array(regions * attributes.length);
  let row = 0;
  for (const { imageId, regionCoord, regToAttr } of images) {
    if (regToAttr?.length !== regionCoord.length) {
      throw new VillaError(
        "Mismatch",
        `Image ${imageId} has no true attributes (reg_to_attr); retrieval cannot be scored.`,
      );
    }
    for (const own of regToAttr) {
      for (const attribute of own) {
        const index = column.get(attribute);
        if (index === undefined) {
          throw new VillaError(
            "Mismatch",
            `Image ${imageId} has the attribute "${attribute}", which has no embedding.`,
          );
        }
        labels[row * attributes.length + index] = 1;
      }
      row++;
    }
  }
  return labels;
}

/**
 * Embeds every region of a split in evaluation mode, a few images at a time.
 *
 * @param encoder a tower, or any encoder of pictures, which sees masks where it was opened with `regions: "mask"`
 * @param options `load`: reads one image; `regions`: of a tower, boxes (default) or masks where there are any
 * @returns [regions of all images, embedDim] L2-normalised
 */
export async function embedSplit<Image extends LabelledImage>(
  encoder: ImageTower | ImageEncoder,
  images: readonly Image[],
  options: {
    readonly load: (image: Image) => Promise<Omit<RgbImage, "channels">>;
    readonly batchSize?: number | undefined;
    readonly regions?: RegionShape | undefined;
    readonly onProgress?: ProgressListener | undefined;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<Float32Array> {
  checkArgument("encoder", encoder, "object");
  checkArgument("images", images, [{ imageId: "number", regionCoord: ["numbers"], "regToAttr?": ["list"] }]);
  checkArgument("options", options, {
    load: "function",
    "batchSize?": "count",
    "regions?": "'roi-align' | 'mask'",
    "onProgress?": "function",
    "signal?": "object",
  });
  const { load, batchSize = 16, regions: shape = "roi-align", onProgress, signal } = options;

  const regions = images.reduce((sum, { regionCoord }) => sum + regionCoord.length, 0);
  const result = new Float32Array(regions * ("embedDim" in encoder ? encoder.embedDim : encoder.dimension));
  let offset = 0;
  for (let start = 0; start < images.length; ) {
    throwIfAborted(signal, "Embedding was stopped; nothing has been written.");
    const first = await load(images[start]!);
    const pictures = [first];
    // A batch ends early where the size of the pictures changes, so that rows stay in order.
    while (pictures.length < batchSize && start + pictures.length < images.length) {
      const next = await load(images[start + pictures.length]!);
      if (next.width !== first.width || next.height !== first.height) break;
      pictures.push(next);
    }
    const rows = images.slice(start, start + pictures.length);
    if (rows.some(({ regionCoord }) => regionCoord.length > 0)) {
      const values = await embed(encoder, pictures, { rows, shape });
      result.set(values, offset);
      offset += values.length;
    }
    start += pictures.length;
    onProgress?.({ task: "embedding regions", done: start, total: images.length, unit: "images" });
  }
  return result;
}

/** [R, d] L2-normalised rows of pictures of one size. */
async function embed(
  encoder: ImageTower | ImageEncoder,
  pictures: readonly Omit<RgbImage, "channels">[],
  { rows: images, shape }: { readonly rows: readonly LabelledImage[]; readonly shape: RegionShape },
): Promise<Float32Array> {
  const boxes = images.map(({ regionCoord }) => regionCoord);
  const masks = images.map(masksOf);
  if ("encodeRegions" in encoder) {
    const own = pictures.map((picture): RgbImage => ({ ...picture, channels: 3 }));
    const rows = await encoder.encodeRegions(own, boxes as unknown as readonly (readonly Box[])[], { masks });
    return normalizeRows(rows, encoder.dimension);
  }
  const embeddings = tf.tidy(() =>
    embedRegions(encoder, [
      regionInput(encoder.input, { images: pictures, boxes, masks: shape === "mask" ? masks : undefined }),
    ]),
  );
  const values = (await embeddings.data()) as Float32Array;
  const copy = values.slice(); // a backend may hand out its own memory
  embeddings.dispose();
  return copy;
}

function masksOf({ imageId, imageSize, regionMasks: masks }: LabelledImage): (Rle | null)[] | undefined {
  if (!masks) return undefined;
  if (imageSize) return regionMasks({ imageSize, regionMasks: masks });
  throw new VillaError("InvalidArgument", `Image ${imageId} has masks but no imageSize, whose pixels they count.`);
}

/** Rows scaled to length 1; zero rows stay zero. */
export function normalizeRows(values: Float32Array, dimension: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let row = 0; row < values.length; row += dimension) {
    let squares = 0;
    for (let i = 0; i < dimension; i++) squares += values[row + i]! ** 2;
    const scale = 1 / Math.max(Math.sqrt(squares), 1e-12);
    for (let i = 0; i < dimension; i++) result[row + i] = values[row + i]! * scale;
  }
  return result;
}
