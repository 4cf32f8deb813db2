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

/**
 * Values that a row of d takes on a backend; those beyond d are 0, and stay so in training.
 *
 * Rows whose distance is a multiple of 4 KiB share a few sets of a processor's first cache, and a product reads a dozen rows
 * side by side: [240, 1024] · [1024, 1024]ᵀ takes 1.3 to 1.6 times as long as with rows of 1040.
 */
export function rowWidth(dimension: number): number {
  return dimension % 1024 === 0 ? dimension + 16 : dimension;
}

/** Shape of a parameter's values on a backend. */
export function paddedShape(parameter: HeadParameter, dimension: number): number[] {
  return parameterShape(parameter, rowWidth(dimension));
}

/**
 * Matrices one after another in one array, each row as wide as {@link rowWidth}: always a copy, since a backend may keep the
 * array and update it in place.
 *
 * @param options.rows rows that each takes; zeros where it has fewer
 */
export function joinRows(
  arrays: readonly Float32Array[],
  { dimension, rows }: { readonly dimension: number; readonly rows: number },
): Float32Array {
  const width = rowWidth(dimension);
  const joined = new Float32Array(arrays.length * rows * width);
  arrays.forEach((array, index) => {
    for (let from = 0, to = index * rows * width; from < array.length; from += dimension, to += width) {
      joined.set(array.subarray(from, from + dimension), to);
    }
  });
  return joined;
}

/** A parameter of several heads, of {@link paddedShape} each. */
export function joinHeads(
  heads: readonly HeadWeights[],
  { parameter, dimension }: { readonly parameter: HeadParameter; readonly dimension: number },
): Float32Array {
  const rows = parameterSize(parameter, rowWidth(dimension)) / rowWidth(dimension);
  return joinRows(
    heads.map((head) => head[parameter]),
    { dimension, rows },
  );
}

/** One head's values of a parameter, as {@link joinHeads} put them. */
export function separateHead(
  joined: Float32Array,
  {
    position,
    parameter,
    dimension,
  }: { readonly position: number; readonly parameter: HeadParameter; readonly dimension: number },
): Float32Array {
  const width = rowWidth(dimension);
  const values = new Float32Array(parameterSize(parameter, dimension));
  let from = position * parameterSize(parameter, width);
  for (let to = 0; to < values.length; to += dimension, from += width) {
    values.set(joined.subarray(from, from + dimension), to);
  }
  return values;
}
