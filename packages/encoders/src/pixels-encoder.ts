import * as tf from "@tensorflow/tfjs-core";
import { type Box, checkArgument, RandomState, type RgbImage, VillaError } from "@villa/data";
import type { Encoder } from "./encoder.ts";
import { cropRegion } from "./regions/crop-region.ts";
import { checkBoxes } from "./regions/group-regions.ts";
import type { ImageEncoder, ImageFamily } from "./tower.ts";
import { wordHashEmbeddings } from "./word-hash.ts";

const side = 28;
const pixels = 3 * side * side;
const regionsPerProduct = 2048;

/**
 * A stand-in for CLIP that needs no weights, so that the whole pipeline runs offline: a region is its pixels, resampled
 * to 28 × 28 RGB, times a fixed random matrix; a sentence is the normalised sum of one random vector per word. Colours
 * and shapes stay separable, but image and text vectors share no meaning: it is for trials and tests, not for
 * retrieval without training.
 *
 * Equal `dimension` and `seed` give equal embeddings on every backend, up to float32 rounding.
 */
export function pixelsEncoder(
  options: { dimension?: number | undefined; seed?: number | undefined } = {},
): Encoder & ImageEncoder {
  checkArgument("options?", options, { "dimension?": "count", "seed?": "number" });
  const { dimension = 1024, seed = 23 } = options;

  let projection: Float32Array | undefined;
  let tensor: tf.Tensor2D | undefined;
  const values = () => {
    projection ??= randomProjection(dimension, seed);
    return projection;
  };
  return {
    name: "pixels",
    dimension,
    options: { seed, side },
    async encodeRegions(images, boxes) {
      checkBoxes(images, boxes);
      const crops = cropAll(images, boxes);
      if (tf.getBackend() === "cpu") return projectSparse(crops, values(), dimension);
      if (!tensor || tensor.isDisposed) tensor = tf.keep(tf.tensor2d(values(), [pixels, dimension]));
      return project(crops, tensor);
    },
    encodeImages(images) {
      return this.encodeRegions(
        images,
        images.map(({ width, height }) => [[0, 0, width, height]]),
      );
    },
    async encodeText(texts) {
      return wordHashEmbeddings(texts, { dimension, seed });
    },
    dispose() {
      tensor?.dispose();
      tensor = undefined;
    },
  };
}

/** The pixels encoder as an entry of the registry. It cannot be trained. */
export const pixelsFamily: ImageFamily = {
  recognise: async () => undefined,
  load: async ({ dimension, seed, regions }) => {
    if (regions !== "mask") return pixelsEncoder({ dimension, seed });
    throw new VillaError(
      "InvalidArgument",
      "pixels has no patch tokens that masks could select; use roi-align or crop.",
    );
  },
};

/** [pixels, dimension] normal values of variance 1 / pixels. */
function randomProjection(dimension: number, seed: number): Float32Array {
  const random = new RandomState(seed);
  const scale = pixels ** -0.5;
  const matrix = new Float32Array(pixels * dimension);
  for (let i = 0; i < matrix.length; i++) matrix[i] = random.normal() * scale;
  return matrix;
}

/** [R, pixels] */
function cropAll(images: readonly RgbImage[], boxes: readonly (readonly Box[])[]): Float32Array {
  const count = boxes.reduce((sum, ofImage) => sum + ofImage.length, 0);
  const crops = new Float32Array(count * pixels);
  let region = 0;
  images.forEach((image, i) => {
    for (const box of boxes[i]!) {
      cropRegion(image, box, { side, layout: "CHW", out: crops.subarray(region * pixels, (region + 1) * pixels) });
      region++;
    }
  });
  return crops;
}

async function project(crops: Float32Array, matrix: tf.Tensor2D): Promise<Float32Array> {
  const count = crops.length / pixels;
  const dimension = matrix.shape[1];
  const result = new Float32Array(count * dimension);
  for (let from = 0; from < count; from += regionsPerProduct) {
    const to = Math.min(count, from + regionsPerProduct);
    const rows = crops.subarray(from * pixels, to * pixels);
    const product = tf.tidy(() => tf.matMul(tf.tensor2d(rows, [to - from, pixels]), matrix));
    result.set((await product.data()) as Float32Array, from * dimension);
    product.dispose();
  }
  return result;
}

/** TF.js's plain cpu backend multiplies 70 times slower than the others; most pixels are black and can be skipped. */
function projectSparse(crops: Float32Array, matrix: Float32Array, dimension: number): Float32Array {
  const count = crops.length / pixels;
  const result = new Float32Array(count * dimension);
  for (let region = 0; region < count; region++) {
    const row = result.subarray(region * dimension, (region + 1) * dimension);
    for (let pixel = 0; pixel < pixels; pixel++) {
      const value = crops[region * pixels + pixel]!;
      if (value === 0) continue;
      const from = pixel * dimension;
      for (let i = 0; i < dimension; i++) row[i]! += value * matrix[from + i]!;
    }
  }
  return result;
}
