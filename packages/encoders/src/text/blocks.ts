import * as tf from "@tensorflow/tfjs-core";
import { embedding, type GeluKind, gelu, layerNorm, linear } from "@villa/core";
import { VillaError } from "@villa/data";
import type { ParameterShapes, TokenRows, Weights } from "./token-tower.ts";

/** x · weightᵀ + bias of the linear layer `name`. */
export function linearLayer(weights: Weights, x: tf.Tensor2D, name: string): tf.Tensor2D {
  const weight = weights(`${name}.weight`) as tf.Tensor2D;
  return linear(x, weight, weights(`${name}.bias`) as tf.Tensor1D) as tf.Tensor2D;
}

/** The layer normalisation `name`. */
export function normLayer(weights: Weights, x: tf.Tensor2D, name: string, epsilon: number): tf.Tensor2D {
  return layerNorm(x, weights(`${name}.weight`), weights(`${name}.bias`), epsilon);
}

/** Linear → activation → linear. */
export function perceptron(
  weights: Weights,
  x: tf.Tensor2D,
  [first, second]: readonly [string, string],
  activation: GeluKind,
): tf.Tensor2D {
  return linearLayer(weights, gelu(linearLayer(weights, x, first), activation), second);
}

/** Token plus position embeddings, [n·L, W]. */
export function embedTokens(
  weights: Weights,
  { ids, count, length }: TokenRows,
  names: { readonly tokens: string; readonly positions: string },
): tf.Tensor2D {
  const table = weights(names.tokens) as tf.Tensor2D;
  const width = table.shape[1];
  const positions = tf.slice(weights(names.positions), [0, 0], [length, width]); // [L, W]
  const rows = tf.add(tf.reshape(embedding(table, ids), [count, length, width]), positions);
  return tf.reshape(rows, [count * length, width]);
}

/** One row of each sequence: [n·L, W] → [n, W]. */
export function rowOfEach(x: tf.Tensor2D, { length }: TokenRows, positions: readonly number[]): tf.Tensor2D {
  return embedding(
    x,
    positions.map((position, row) => row * length + position),
  );
}

const hidden = -1e9;

/** [1, 1, L, L] for {@link attention}: no position looks ahead. */
export function causalMask({ length }: TokenRows): tf.Tensor4D {
  const mask = new Float32Array(length * length);
  for (let i = 0; i < length; i++) mask.fill(hidden, i * length + i + 1, (i + 1) * length);
  return tf.tensor4d(mask, [1, 1, length, length]);
}

/**
 * [n, 1, queries, L] for {@link attention}: nothing looks at the filling behind a sequence's end. Undefined where there
 * is none.
 */
export function fillingMask(
  { lengths, count, length }: Pick<TokenRows, "lengths" | "count" | "length">,
  queries: number,
): tf.Tensor4D | undefined {
  if (lengths.every((own) => own === length)) return undefined;
  const mask = new Float32Array(count * queries * length);
  lengths.forEach((own, row) => {
    for (let query = 0; query < queries; query++) {
      const at = (row * queries + query) * length;
      mask.fill(hidden, at + own, at + length);
    }
  });
  return tf.tensor4d(mask, [count, 1, queries, length]);
}

/** Names of what configurations call their activation. */
const activations: Readonly<Record<string, GeluKind>> = {
  gelu: "gelu",
  gelu_python: "gelu",
  gelu_new: "gelu_tanh",
  gelu_fast: "gelu_tanh",
  gelu_pytorch_tanh: "gelu_tanh",
  quick_gelu: "quick_gelu",
};

/** @throws VillaError `Unsupported` for an activation that is not a GELU */
export function readActivation(value: unknown, otherwise: GeluKind): GeluKind {
  if (value === undefined) return otherwise;
  const kind = activations[String(value)];
  if (kind) return kind;
  throw new VillaError(
    "Unsupported",
    `The text tower's activation is "${String(value)}"; supported are ${Object.keys(activations).join(", ")}.`,
  );
}

/** Adds the shapes of a linear layer. */
export function linearShapes(
  shapes: ParameterShapes,
  name: string,
  [outputs, inputs]: readonly [number, number],
): void {
  shapes.set(`${name}.weight`, [outputs, inputs]);
  shapes.set(`${name}.bias`, [outputs]);
}

/** Adds the shapes of a layer normalisation. */
export function normShapes(shapes: ParameterShapes, name: string, width: number): void {
  shapes.set(`${name}.weight`, [width]);
  shapes.set(`${name}.bias`, [width]);
}

/** The block number in a name such as `encoder.layer.3.output.dense.weight`. */
export function blockNumber(name: string): number | undefined {
  const number = /\.(\d+)\./.exec(`.${name}`)?.[1];
  return number === undefined ? undefined : Number(number);
}
