import * as tf from "@tensorflow/tfjs-core";
import { gatherRows, type MappingData, regionOffsets } from "./batches.ts";
import { HeadStack } from "./head-stack.ts";
import { type HeadsOptions, type HeadWeights, headOfAttribute } from "./heads.ts";

/** Scores of one attribute: only for the images that mention it, since nothing else is ever assigned. */
export interface AttributeScores {
  /** Image indices, ascending. */
  readonly images: Int32Array;
  /** Cosines of their regions, image after image. */
  readonly values: Float32Array;
}

/** Where the heads of a trained model come from; loaded one at a time, so any number of attributes fits. */
export interface HeadSource extends HeadsOptions {
  /** Attribute names, in the order of the heads. */
  readonly attributes: readonly string[];
  load(head: number): Promise<HeadWeights>;
}

/** Rows that go through a head together: large enough for a fast product, small enough for any memory. */
const rowsPerProduct = 512;

/** Images that mention the attribute, ascending. */
export function imagesWith(labels: Uint8Array, attributes: number, attribute: number): Int32Array {
  const images: number[] = [];
  for (let i = 0; i * attributes < labels.length; i++) if (labels[i * attributes + attribute]) images.push(i);
  return Int32Array.from(images);
}

/** Rows of all regions of the images. */
export function rowsOf(images: Int32Array, offsets: Int32Array): Int32Array {
  const rows: number[] = [];
  for (const image of images) for (let r = offsets[image]!; r < offsets[image + 1]!; r++) rows.push(r);
  return Int32Array.from(rows);
}

/**
 * Scores the regions of every image for the attributes it mentions, on the current backend.
 *
 * Each head sees only the regions it is needed for, many images at a time: the same values as running every image through
 * every head, at a fraction of the work.
 *
 * @param attributeEmbeddings [A, d], each of norm 1
 * @param attributes which attributes to score; default all. The others get no images.
 */
export async function scoreRegions(options: {
  readonly model: HeadSource;
  readonly data: MappingData;
  readonly attributeEmbeddings: Float32Array;
  readonly attributes?: readonly number[];
  readonly signal?: AbortSignal | undefined;
}): Promise<AttributeScores[]> {
  const { model, data, attributeEmbeddings } = options;
  const total = model.attributes.length;
  const offsets = regionOffsets(data.counts);
  const scores: AttributeScores[] = model.attributes.map(() => ({
    images: new Int32Array(0),
    values: new Float32Array(0),
  }));
  for (const attribute of options.attributes ?? scores.keys()) {
    options.signal?.throwIfAborted();
    const images = imagesWith(data.labels, total, attribute);
    if (images.length === 0) continue;
    const embedding = attributeEmbeddings.subarray(attribute * model.dimension, (attribute + 1) * model.dimension);
    const weights = await model.load(headOfAttribute(model.oneProj, attribute));
    scores[attribute] = { images, values: await scoreRows(weights, embedding, data, rowsOf(images, offsets), model) };
  }
  return scores;
}

/** Cosines of the given rows with one attribute embedding. */
export async function scoreRows(
  head: HeadWeights,
  embedding: Float32Array,
  data: MappingData,
  rows: Int32Array,
  options: HeadsOptions,
): Promise<Float32Array> {
  const stack = new HeadStack([head], [embedding], options);
  try {
    return await scoreWithStack(stack, data, rows, options.dimension);
  } finally {
    stack.dispose();
  }
}

/** Cosines of the given rows with the one attribute of a stack of one head. */
export async function scoreWithStack(
  stack: HeadStack,
  data: MappingData,
  rows: Int32Array,
  dimension: number,
): Promise<Float32Array> {
  const values = new Float32Array(rows.length);
  for (let start = 0; start < rows.length; start += rowsPerProduct) {
    const chunk = rows.subarray(start, start + rowsPerProduct);
    const x = tf.tensor2d(gatherRows(data.regions, dimension, chunk), [chunk.length, dimension]);
    values.set((await stack.score(x)).cosines, start);
    x.dispose();
  }
  return values;
}
