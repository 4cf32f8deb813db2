import * as tf from "@tensorflow/tfjs-core";
import { tensorValues } from "@villa/testing";
import {
  attention,
  avgPool2d,
  batchNormInference,
  batchNormTrain,
  conv2d,
  embedding,
  type GeluKind,
  gelu,
  infoNCE,
  l2Normalize,
  layerNorm,
  linear,
  logSumExp,
  roiAlign,
  type TransformerBlockWeights,
  transformerBlock,
} from "../src/index.ts";

/** One op or layer the models use: a function of named float32 inputs. */
export interface ConformanceCase {
  readonly name: string;
  readonly inputs: Readonly<Record<string, ConformanceInput>>;
  readonly compute: (inputs: Readonly<Record<string, tf.Tensor>>) => tf.Tensor;
  /** False for ops without a derivative. */
  readonly differentiable?: boolean | undefined;
  /** True where a kink (a maximum, a ReLU) lies among the inputs: no finite differences then. */
  readonly kinked?: boolean | undefined;
}

export interface ConformanceInput {
  readonly shape: readonly number[];
  /** Turns a value in [-1, 1) into the op's domain; default: kept at least 0.05 away from 0, where ReLU has its kink. */
  readonly map?: ((value: number) => number) | undefined;
}

const awayFromZero = (value: number) => value + Math.sign(value) * 0.05;
const positive = (value: number) => value * 0.75 + 1;
const on = (shape: readonly number[], map?: (value: number) => number): ConformanceInput =>
  map ? { shape, map } : { shape };

function unary(name: string, f: (x: tf.Tensor) => tf.Tensor, map?: (value: number) => number): ConformanceCase {
  return { name, inputs: { x: on([7, 53], map) }, compute: ({ x }) => f(x!) };
}

function binary(name: string, f: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor): ConformanceCase[] {
  const shapes: [number[], number[]][] = [
    [[9, 37], [9, 37]],
    [[9, 37], [37]],
    [[9, 37], []],
    [[9, 1], [9, 37]],
    [[3, 1, 5, 1], [4, 1, 6]],
    [[2, 3, 1, 5, 7], [2, 1, 4, 5, 1]],
  ]; // biome-ignore format: one pair a line
  return shapes.map(([a, b]) => ({
    name: `${name} [${a}] with [${b}]`,
    inputs: { a: on(a), b: on(b, positive) },
    compute: ({ a, b }) => f(a!, b!),
  }));
}

function product(name: string, a: number[], b: number[], transposeA = false, transposeB = false): ConformanceCase {
  return {
    name: `matMul ${name} [${a}]${transposeA ? "ᵀ" : ""}·[${b}]${transposeB ? "ᵀ" : ""}`,
    inputs: { a: on(a), b: on(b) },
    compute: ({ a, b }) => tf.matMul(a!, b!, transposeA, transposeB),
  };
}

function convolution(x: number[], filter: number[], stride: number, padding: number): ConformanceCase {
  return {
    name: `conv2d [${x}] * [${filter}] stride ${stride} padding ${padding}`,
    inputs: { x: on(x), filter: on(filter) },
    compute: ({ x, filter }) => conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, { stride, padding }),
  };
}

function attending(name: string, lengths: { count: number; queries: number; keys: number }, mask?: number[]) {
  const { count, queries, keys } = lengths;
  return {
    name: `attention ${name}`,
    inputs: { query: on([count * queries, 12]), key: on([count * keys, 12]), value: on([count * keys, 12]) },
    compute: ({ query, key, value }: Readonly<Record<string, tf.Tensor>>) => {
      const hidden = mask && tf.tensor4d(mask, [mask.length / (queries * keys), 1, queries, keys]);
      const [q, k, v] = [query, key, value] as tf.Tensor2D[];
      return attention(q!, k!, v!, { count, heads: 3, mask: hidden });
    },
  };
}

function block(name: string, activation: GeluKind, joint: boolean, scaled: boolean): ConformanceCase {
  const width = 12;
  const small = (value: number) => value / 4; // what rounds in a chain of seven products stays within the tolerance
  const matrix = (outputs: number, inputs: number): Record<string, ConformanceInput> => ({
    [`${outputs}x${inputs}`]: on([outputs, inputs], small),
  });
  return {
    name: `transformerBlock ${name}`,
    inputs: {
      x: on([2 * 5, width]),
      attention: on([3 * width, width], small),
      attentionBias: on([3 * width]),
      row: on([width]),
      hiddenBias: on([20]),
      ...matrix(width, width),
      ...matrix(20, width),
      ...matrix(width, 20),
    },
    compute: (inputs) => {
      const { x, attention, attentionBias, row, hiddenBias } = inputs as Record<string, tf.Tensor>;
      const part = (index: number): [tf.Tensor, tf.Tensor] => [
        tf.slice(attention!, [index * width, 0], [width, width]),
        tf.slice(attentionBias!, [index * width], [width]),
      ];
      const weights = {
        norm1: [row!, tf.neg(row!)],
        attention: joint ? [[attention!, attentionBias!]] : [0, 1, 2].map(part),
        out: [inputs["12x12"]!, row!],
        norm2: [tf.neg(row!), row!],
        fc1: [inputs["20x12"]!, hiddenBias!],
        fc2: [inputs["12x20"]!, row!],
        scales: scaled ? [row!, tf.square(row!)] : undefined,
      } as unknown as TransformerBlockWeights;
      return transformerBlock(x as tf.Tensor2D, weights, { count: 2, heads: 3, activation, epsilon: 1e-5 });
    },
  };
}

const causal = [0, -1e9, -1e9, -1e9, 0, 0, -1e9, -1e9, 0, 0, 0, -1e9, 0, 0, 0, 0];

const boxes = [0, 0, 28, 28, 28, 28, 56, 56, -4, 10, 40, 90, 3.3, 7.7, 9.1, 12.4];

/** Every op and layer that models of this repository use, with shapes that leave vector kernels a tail. */
export const conformanceCases: readonly ConformanceCase[] = [
  ...binary("add", tf.add),
  ...binary("sub", tf.sub),
  ...binary("mul", tf.mul),
  ...binary("div", tf.div),
  ...binary("maximum", tf.maximum),
  ...binary("minimum", tf.minimum).slice(0, 2),
  ...binary("squaredDifference", tf.squaredDifference).slice(0, 2),
  unary("relu", tf.relu),
  unary("neg", tf.neg),
  unary("abs", tf.abs),
  unary("square", tf.square),
  unary("sqrt", tf.sqrt, positive),
  unary("rsqrt", tf.rsqrt, positive),
  unary("exp", (x) => tf.exp(tf.mul(x, 4))),
  unary("log", tf.log, positive),
  unary("sigmoid", tf.sigmoid),
  unary("tanh", tf.tanh),
  unary("reciprocal", tf.reciprocal, positive),
  unary("quickGelu", (x) => tf.mul(x, tf.sigmoid(tf.mul(x, 1.702)))),
  { ...unary("step", (x) => tf.step(x)), differentiable: false },
  { ...unary("zerosLike", tf.zerosLike), differentiable: false },
  { ...unary("greater, cast", (x) => tf.cast(tf.greater(x, 0.3), "float32")), differentiable: false },
  { ...unary("equal to maximum", (x) => tf.cast(tf.equal(x, tf.max(x, 1, true)), "float32")), differentiable: false },
  unary(
    "clipByValue",
    (x) => tf.clipByValue(x, -0.52, 0.61),
    (v) => Math.round(v * 10) / 10,
  ),
  unary("where", (x) =>
    tf.where(tf.greater(tf.tensor(tensorValues("mask", [7, 53]), [7, 53]), 0), tf.mul(x, 2), tf.square(x)),
  ),
  unary("sum of all", (x) => tf.sum(x), positive),
  unary("sum of rows", (x) => tf.sum(x, 1)),
  unary("sum of columns", (x) => tf.sum(x, 0)),
  unary("mean, kept axis", (x) => tf.mean(x, 1, true)),
  unary("max of rows", (x) => tf.max(x, 1)),
  unary("min of columns", (x) => tf.min(x, 0)),
  unary("softmax", (x) => tf.softmax(x)),
  unary("logSoftmax", (x) => tf.logSoftmax(x)),
  unary("logSumExp", (x) => logSumExp(x, { axis: -1 })),
  unary("l2Normalize", (x) => l2Normalize(x)),
  { name: "sum of a middle axis", inputs: { x: on([3, 5, 13]) }, compute: ({ x }) => tf.sum(x!, 1) },
  { name: "sum of outer axes", inputs: { x: on([3, 5, 13]) }, compute: ({ x }) => tf.sum(x!, [0, 2]) },
  { name: "mean over space", inputs: { x: on([2, 4, 5, 6]) }, compute: ({ x }) => tf.mean(x!, [1, 2]) },
  { name: "max of a middle axis", kinked: true, inputs: { x: on([3, 5, 13]) }, compute: ({ x }) => tf.max(x!, 1) },
  product("plain", [17, 23], [23, 19]),
  product("plain", [23, 17], [23, 19], true),
  product("plain", [17, 23], [19, 23], false, true),
  product("plain", [23, 17], [19, 23], true, true),
  product("batched", [4, 9, 11], [4, 11, 13]),
  product("batched", [4, 11, 9], [4, 11, 13], true),
  product("batched", [4, 9, 11], [4, 13, 11], false, true),
  product("batched", [4, 11, 9], [4, 13, 11], true, true),
  product("2×3 batches", [2, 3, 9, 11], [2, 3, 13, 11], false, true),
  product("shared right", [4, 9, 11], [1, 11, 13]),
  product("shared left", [1, 9, 11], [4, 11, 13]),
  product("single row", [1, 70], [70, 5]),
  {
    name: "linear",
    inputs: { x: on([9, 21]), weight: on([14, 21]), bias: on([14]) },
    compute: ({ x, weight, bias }) => linear(x as tf.Tensor2D, weight as tf.Tensor2D, bias as tf.Tensor1D),
  },
  { name: "transpose", inputs: { x: on([37, 22]) }, compute: ({ x }) => tf.transpose(x!) },
  { name: "transpose [0,2,1]", inputs: { x: on([3, 10, 9]) }, compute: ({ x }) => tf.transpose(x!, [0, 2, 1]) },
  { name: "transpose [0,3,1,2]", inputs: { x: on([2, 5, 6, 7]) }, compute: ({ x }) => tf.transpose(x!, [0, 3, 1, 2]) },
  { name: "transpose [2,0,1,3]", inputs: { x: on([4, 5, 6, 7]) }, compute: ({ x }) => tf.transpose(x!, [2, 0, 1, 3]) },
  { name: "reshape", inputs: { x: on([6, 20]) }, compute: ({ x }) => tf.square(tf.reshape(x!, [4, 30])) },
  { name: "expandDims", inputs: { x: on([6, 20]) }, compute: ({ x }) => tf.square(tf.expandDims(x!, 1)) },
  { name: "slice", inputs: { x: on([7, 9, 11]) }, compute: ({ x }) => tf.slice(x!, [1, 2, 3], [5, 6, 7]) },
  {
    name: "split into parts of different lengths",
    inputs: { x: on([7, 9, 11]) },
    compute: ({ x }) => tf.stack(tf.split(x!, [2, 5, 2], 1).map((part) => tf.sum(part, 1))),
  },
  {
    name: "split along the last axis",
    inputs: { x: on([6, 9]) },
    compute: ({ x }) => tf.concat([...tf.split(x!, 3, -1)].reverse()),
  },
  {
    name: "split",
    inputs: { x: on([6, 20]) },
    compute: ({ x }) => tf.mul(...(tf.split(x!, 2, 1) as [tf.Tensor, tf.Tensor])),
  },
  {
    name: "pad",
    inputs: { x: on([5, 14]) },
    compute: ({ x }) =>
      tf.pad(
        x!,
        [
          [1, 2],
          [0, 3],
        ],
        0.5,
      ),
  },
  { name: "tile", inputs: { x: on([5, 14]) }, compute: ({ x }) => tf.tile(x!, [3, 2]) },
  { name: "reverse", inputs: { x: on([5, 14]) }, compute: ({ x }) => tf.reverse(x!, 1) },
  { name: "concat", inputs: { a: on([5, 14]), b: on([5, 9]) }, compute: ({ a, b }) => tf.concat([a!, b!], 1) },
  { name: "stack", inputs: { a: on([5, 14]), b: on([5, 14]) }, compute: ({ a, b }) => tf.stack([a!, b!], 1) },
  {
    name: "gather",
    inputs: { x: on([8, 17]) },
    compute: ({ x }) => tf.gather(x!, tf.tensor1d([3, 0, 3, 7, 1], "int32")),
  },
  {
    name: "unsortedSegmentSum",
    inputs: { x: on([6, 17]) },
    compute: ({ x }) => tf.unsortedSegmentSum(x!, tf.tensor1d([2, 0, 2, 1, 1, 2], "int32"), 4),
    differentiable: false,
  },
  {
    name: "oneHot",
    inputs: { x: on([4, 6]) },
    compute: ({ x }) => tf.matMul(tf.cast(tf.oneHot(tf.tensor1d([1, 3, 0], "int32"), 4), "float32"), x!),
  },
  {
    name: "addN",
    inputs: { a: on([9, 9]), b: on([9, 9]) },
    compute: ({ a, b }) => tf.addN([a!, b!, a!]),
    differentiable: false,
  },
  {
    name: "einsum",
    inputs: { a: on([3, 4, 5]), b: on([3, 5, 6]) },
    compute: ({ a, b }) => tf.einsum("bij,bjk->bik", a!, b!),
    differentiable: false,
  },
  convolution([2, 9, 8, 5], [3, 3, 5, 6], 1, 1),
  convolution([2, 9, 8, 3], [3, 3, 3, 4], 2, 1),
  convolution([2, 7, 7, 8], [1, 1, 8, 12], 1, 0),
  convolution([2, 7, 7, 8], [1, 1, 8, 12], 2, 0),
  convolution([1, 6, 5, 4], [2, 2, 4, 3], 1, 0),
  convolution([2, 11, 10, 2], [5, 5, 2, 3], 3, 2),
  { name: "avgPool2d", inputs: { x: on([2, 6, 8, 5]) }, compute: ({ x }) => avgPool2d(x as tf.Tensor4D, 2) },
  { name: "avgPool2d, odd", inputs: { x: on([2, 7, 9, 5]) }, compute: ({ x }) => avgPool2d(x as tf.Tensor4D, 2) },
  {
    // Not differentiated: TF.js's own gradient divides by the whole window where the padding cuts it.
    name: "tf.avgPool same",
    differentiable: false,
    inputs: { x: on([2, 7, 6, 5]) },
    compute: ({ x }) => tf.avgPool(x as tf.Tensor4D, 3, 2, "same"),
  },
  ...[true, false].map(
    (relu): ConformanceCase => ({
      name: `batchNormTrain${relu ? " relu" : ""}`,
      kinked: relu,
      inputs: { x: on([3, 4, 4, 21]), gamma: on([21], positive), beta: on([21]) },
      compute: ({ x, gamma, beta }) => batchNormTrain(x!, { gamma: gamma!, beta: beta!, relu }),
    }),
  ),
  {
    name: "batchNormInference relu",
    kinked: true,
    inputs: { x: on([3, 4, 4, 21]), gamma: on([21], positive), beta: on([21]) },
    compute: ({ x, gamma, beta }) => {
      const runningMean = tf.fill([21], 0.1);
      const runningVar = tf.fill([21], 1.3);
      return batchNormInference(x!, { gamma: gamma!, beta: beta!, runningMean, runningVar, relu: true });
    },
  },
  {
    name: "roiAlign",
    inputs: { x: on([2, 5, 6, 7]) },
    compute: ({ x }) => roiAlign(x as tf.Tensor4D, boxes, [0, 1, 0, 1], { spatialScale: 5 / 84, outputSize: 4 }),
  },
  ...(["gelu", "gelu_tanh", "quick_gelu"] as const).map((kind) =>
    unary(
      `gelu, ${kind}`,
      (x) => gelu(x, kind),
      (v) => 4 * v,
    ),
  ),
  ...(["gelu", "gelu_tanh", "quick_gelu"] as const).map((kind) =>
    unary(
      `gelu far from 0, ${kind}`,
      (x) => gelu(x, kind),
      (v) => 12 * v,
    ),
  ),
  {
    name: "layerNorm",
    inputs: { x: on([3, 5, 21], (v) => 3 + 2 * v), gamma: on([21], positive), beta: on([21]) },
    compute: ({ x, gamma, beta }) => layerNorm(x!, gamma!, beta!, 1e-6),
  },
  {
    name: "layerNorm of many rows",
    inputs: { x: on([131, 22], (v) => v - 2), gamma: on([22], positive), beta: on([22]) },
    compute: ({ x, gamma, beta }) => layerNorm(x!, gamma!, beta!),
  },
  block("of one matrix", "quick_gelu", true, false),
  block("of three matrices", "gelu_tanh", false, false),
  block("with factors", "gelu", true, true),
  attending("plain", { count: 2, queries: 5, keys: 5 }),
  attending("of many tokens", { count: 3, queries: 37, keys: 41 }),
  attending("of one query", { count: 2, queries: 1, keys: 6 }),
  attending("causal", { count: 2, queries: 4, keys: 4 }, causal),
  attending("padded", { count: 2, queries: 1, keys: 4 }, [0, 0, -1e9, -1e9, 0, 0, 0, 0]),
  {
    name: "embedding",
    inputs: { table: on([70, 9]) },
    compute: ({ table }) => tf.square(embedding(table as tf.Tensor2D, [3, 69, 3, 0, 12, 3])),
  },
  {
    name: "infoNCE",
    inputs: { a: on([6, 15]), b: on([6, 15]) },
    compute: ({ a, b }) =>
      infoNCE(l2Normalize(a!) as tf.Tensor2D, l2Normalize(b!) as tf.Tensor2D, { temperature: 0.07 }),
  },
];

export interface ConformanceResult {
  readonly value: Float32Array;
  /** One gradient per input, of Σ value·weight. */
  readonly gradients: Readonly<Record<string, Float32Array>>;
}

/** Values of an input on every backend alike. */
export function conformanceInput(test: ConformanceCase, name: string): Float32Array {
  const { shape, map = awayFromZero } = test.inputs[name]!;
  return Float32Array.from(tensorValues(`conformance:${test.name}:${name}`, shape), map);
}

/** Runs a case on the current backend: its value and the gradient of a fixed weighted sum of it. */
export async function runConformance(test: ConformanceCase): Promise<ConformanceResult> {
  const names = Object.keys(test.inputs);
  const tensors = names.map((name) => tf.tensor(conformanceInput(test, name), [...test.inputs[name]!.shape]));
  const compute = (...values: tf.Tensor[]) =>
    test.compute(Object.fromEntries(names.map((name, i) => [name, values[i]!])));
  const value = tf.tidy(() => compute(...tensors));
  const result = (await value.data()) as Float32Array;
  const gradients: Record<string, Float32Array> = {};
  if (test.differentiable !== false) {
    const weights = conformanceWeights(test, value.size);
    const derivatives = tf.tidy(() => {
      const weight = tf.tensor(weights, value.shape);
      return tf.grads((...inputs: tf.Tensor[]) => tf.sum(tf.mul(compute(...inputs), weight)))(tensors);
    });
    for (const [i, name] of names.entries()) gradients[name] = (await derivatives[i]!.data()) as Float32Array;
    tf.dispose(derivatives);
  }
  tf.dispose([value, ...tensors]);
  return { value: Float32Array.from(result), gradients };
}

/** The weights of the sum that is differentiated. */
export function conformanceWeights(test: ConformanceCase, size: number): Float32Array {
  return tensorValues(`conformance:${test.name}:weight`, [size]);
}

/**
 * How far the gradient is from a central finite difference along one direction per input, relative to the size of the
 * terms: Σ weight·(f(x + εv) − f(x − εv)) / 2ε against ⟨gradient, v⟩.
 */
export async function finiteDifferenceError(test: ConformanceCase, { gradients }: ConformanceResult): Promise<number> {
  const epsilon = 1 / 256;
  let worst = 0;
  for (const name of Object.keys(gradients)) {
    const direction = tensorValues(`conformance:${test.name}:direction`, test.inputs[name]!.shape);
    const plus = await weightedSum(test, name, direction, epsilon);
    const minus = await weightedSum(test, name, direction, -epsilon);
    const gradient = gradients[name]!;
    let along = 0;
    let magnitude = 0;
    for (let i = 0; i < gradient.length; i++) {
      along += gradient[i]! * direction[i]!;
      magnitude += (gradient[i]! * direction[i]!) ** 2;
    }
    worst = Math.max(worst, Math.abs((plus - minus) / (2 * epsilon) - along) / (Math.sqrt(magnitude) + 1e-3));
  }
  return worst;
}

/** Σ weight·f(inputs), one input moved; summed in double precision. */
async function weightedSum(
  test: ConformanceCase,
  moved: string,
  direction: Float32Array,
  step: number,
): Promise<number> {
  const inputs = Object.fromEntries(
    Object.entries(test.inputs).map(([name, { shape }]) => {
      const values = conformanceInput(test, name);
      if (name === moved) for (let i = 0; i < values.length; i++) values[i]! += step * direction[i]!;
      return [name, tf.tensor(values, [...shape])];
    }),
  );
  const value = tf.tidy(() => test.compute(inputs));
  const result = await value.data();
  const weights = conformanceWeights(test, value.size);
  tf.dispose([value, ...Object.values(inputs)]);
  let total = 0;
  for (let i = 0; i < weights.length; i++) total += weights[i]! * result[i]!;
  return total;
}
