import { checkArgument, RandomState, VillaError } from "@villa/data";

/** Regions of the images of one split, and which attributes each image's text mentions. */
export interface MappingData {
  /** [R, d] float32, the regions of image 0, then those of image 1, … */
  readonly regions: Float32Array;
  /** [N] regions of each image; their sum is R. */
  readonly counts: Int32Array;
  /** [N, A] 1 where the image's text mentions the attribute, 2 where that is not known: it is no example then. */
  readonly labels: Uint8Array;
}

/** One batch, ready for every head: which rows of `regions` it holds and how they group into images. */
export interface Batch {
  /** [B] image indices. */
  readonly images: Int32Array;
  /** [R_b] rows of `MappingData.regions`. */
  readonly rows: Int32Array;
  /** [B + 1] image i of the batch owns `rows[offsets[i] … offsets[i + 1]]`. */
  readonly offsets: Int32Array;
  /** Positive (image, attribute) pairs over ALL attributes: the constant that ties otherwise independent heads. */
  readonly positives: number;
}

/** [N + 1] first region row of each image. */
export function regionOffsets(counts: Int32Array): Int32Array {
  const offsets = new Int32Array(counts.length + 1);
  for (let i = 0; i < counts.length; i++) offsets[i + 1] = offsets[i]! + counts[i]!;
  return offsets;
}

/** [N] positive attributes of each image. */
export function positivesPerImage(labels: Uint8Array, images: number): Int32Array {
  const attributes = images === 0 ? 0 : labels.length / images;
  const positives = new Int32Array(images);
  for (let i = 0; i < images; i++) {
    for (let a = 0; a < attributes; a++) positives[i]! += labels[i * attributes + a] === 1 ? 1 : 0;
  }
  return positives;
}

/** Gathers what a batch of images needs. `offsets` and `positives` of all images come from the two functions above. */
export function makeBatch(
  images: Int32Array,
  ofAll: { readonly offsets: Int32Array; readonly positives: Int32Array },
): Batch {
  checkArgument("images", images, "numbers");
  checkArgument("ofAll", ofAll, { offsets: "numbers", positives: "numbers" });
  const { offsets: imageOffsets, positives: imagePositives } = ofAll;

  const offsets = new Int32Array(images.length + 1);
  let positives = 0;
  images.forEach((image, i) => {
    offsets[i + 1] = offsets[i]! + imageOffsets[image + 1]! - imageOffsets[image]!;
    positives += imagePositives[image]!;
  });
  const rows = new Int32Array(offsets[images.length]!);
  images.forEach((image, i) => {
    const first = imageOffsets[image]! - offsets[i]!;
    for (let row = offsets[i]!; row < offsets[i + 1]!; row++) rows[row] = first + row;
  });
  return { images, rows, offsets, positives };
}

/**
 * The batches of one epoch: a shuffle that depends only on seed and epoch, cut into full batches (the rest is dropped).
 *
 * Every worker computes the same order on its own, and a resumed run needs no generator state.
 */
export function mappingBatches(options: {
  readonly data: MappingData;
  readonly batchSize: number;
  readonly seed: number;
  readonly epoch: number;
}): Batch[] {
  checkArgument("options", options, {
    data: { regions: "numbers", counts: "numbers", labels: "bytes" },
    batchSize: "count",
    seed: "number",
    epoch: "count",
  });

  const { data, batchSize, seed, epoch } = options;
  const images = data.counts.length;
  if (batchSize > images) {
    throw new VillaError(
      "InvalidArgument",
      `The batch size ${batchSize} is larger than the training split of ${images} images; choose batch_size=${images} or less.`,
    );
  }
  const order = new RandomState(epochSeed(seed, epoch)).permutation(images);
  const imageOffsets = regionOffsets(data.counts);
  const imagePositives = positivesPerImage(data.labels, images);
  const batches: Batch[] = [];
  for (let start = 0; start + batchSize <= images; start += batchSize) {
    batches.push(
      makeBatch(Int32Array.from(order.subarray(start, start + batchSize)), {
        offsets: imageOffsets,
        positives: imagePositives,
      }),
    );
  }
  return batches;
}

/** A 32-bit seed of its own for every (seed, stream) pair: neighbouring pairs must not share a generator. */
export function streamSeed(seed: number, stream: number): number {
  let x = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(stream + 1, 0x85ebca6b)) >>> 0;
  x ^= x >>> 16;
  x = Math.imul(x, 0xc2b2ae35);
  x ^= x >>> 13;
  x = Math.imul(x, 0x27d4eb2f);
  return (x ^ (x >>> 16)) >>> 0;
}

const epochSeed = (seed: number, epoch: number): number => streamSeed(seed, epoch);

/** Copies rows of a row-major [R, d] array. @param options.width values of a copied row: zeros beyond d; default d */
export function gatherRows(
  source: Float32Array,
  rows: ArrayLike<number>,
  { dimension, width = dimension }: { readonly dimension: number; readonly width?: number | undefined },
): Float32Array {
  const gathered = new Float32Array(rows.length * width);
  for (let i = 0; i < rows.length; i++) {
    gathered.set(source.subarray(rows[i]! * dimension, (rows[i]! + 1) * dimension), i * width);
  }
  return gathered;
}
