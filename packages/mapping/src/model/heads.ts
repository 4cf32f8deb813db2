import { checkArgument, RandomState } from "@villa/data";
import { streamSeed } from "../data/batches.ts";

/**
 * The parameters of one projection head Linear → ReLU → Linear, by their PyTorch names inside `pool.<head>.`.
 * Weights are [d out, d in] row-major as PyTorch keeps them, biases [d].
 */
export const headParameters = ["0.weight", "0.bias", "2.weight", "2.bias"] as const;
/** Names of a head's weights, as in torch's `Sequential(Linear, ReLU, Linear)`. */
export type HeadParameter = (typeof headParameters)[number];

/** Values of one head. */
export type HeadWeights = Readonly<Record<HeadParameter, Float32Array>>;

/** What decides the form of the model. */
export interface HeadsOptions {
  /** d, the length of region and attribute embeddings. */
  readonly dimension: number;
  /** One head shared by all attributes instead of one for each. */
  readonly oneProj: boolean;
  /** Head output · 0.2 + input · 0.8 instead of the head output. */
  readonly adapter: boolean;
}

export function parameterShape(parameter: HeadParameter, dimension: number): number[] {
  return parameter.endsWith("weight") ? [dimension, dimension] : [dimension];
}

function parameterSize(parameter: HeadParameter, dimension: number): number {
  return parameter.endsWith("weight") ? dimension * dimension : dimension;
}

/** Number of heads of a model: 1 when shared. */
export function headCount(oneProj: boolean, attributes: number): number {
  return oneProj ? 1 : attributes;
}

/** The head that scores an attribute. */
export function headOfAttribute(oneProj: boolean, attribute: number): number {
  return oneProj ? 0 : attribute;
}

/** Builds a head from one function per parameter. */
export function headFrom(make: (parameter: HeadParameter) => Float32Array): HeadWeights {
  return {
    "0.weight": make("0.weight"),
    "0.bias": make("0.bias"),
    "2.weight": make("2.weight"),
    "2.bias": make("2.bias"),
  };
}

/**
 * A new head as PyTorch's `nn.Linear` starts it: weights and biases uniform in ±1/√d (Kaiming uniform with a = √5).
 *
 * Every head has a generator of its own, so its start does not depend on which other heads are made, or where.
 */
export function initialHead(head: number, options: { readonly dimension: number; readonly seed: number }): HeadWeights {
  checkArgument("head", head, "number");
  checkArgument("options", options, { dimension: "count", seed: "number" });
  const { dimension, seed } = options;

  // Streams of heads are negative, those of epochs are not.
  const random = new RandomState(streamSeed(seed, -2 - head));
  const bound = 1 / Math.sqrt(dimension);
  return headFrom((parameter) => {
    const values = new Float32Array(parameterSize(parameter, dimension));
    for (let i = 0; i < values.length; i++) values[i] = (random.uint32() / 2 ** 31 - 1) * bound;
    return values;
  });
}

/** Heads one after another in one array: always a copy, since a backend may keep the array and update it in place. */
export function joinHeads(arrays: readonly Float32Array[]): Float32Array {
  const joined = new Float32Array(arrays.reduce((length, array) => length + array.length, 0));
  let offset = 0;
  for (const array of arrays) {
    joined.set(array, offset);
    offset += array.length;
  }
  return joined;
}
