import * as tf from "@tensorflow/tfjs-core";
import { type ArgumentRule, checkArgument, VillaError } from "@villa/data";
import { runFused } from "../backend/fused.ts";
import { attention } from "./attention.ts";
import { type GeluKind, gelu } from "./gelu.ts";
import { layerNorm } from "./layer-norm.ts";
import { linear } from "./linear.ts";

/** Weights of a {@link transformerBlock} of width W, as torch stores them; a matrix is [outputs, inputs]. */
export interface TransformerBlockWeights {
  /** Gamma and beta [W] before the attention. */
  readonly norm1: readonly [gamma: tf.Tensor, beta: tf.Tensor];
  /** Matrix and bias of query, key and value: one pair of [3W, W] and [3W], or three of [W, W] and [W]. */
  readonly attention: readonly (readonly [weight: tf.Tensor, bias: tf.Tensor])[];
  readonly out: readonly [weight: tf.Tensor, bias: tf.Tensor];
  /** Gamma and beta [W] before the perceptron. */
  readonly norm2: readonly [gamma: tf.Tensor, beta: tf.Tensor];
  readonly fc1: readonly [weight: tf.Tensor, bias: tf.Tensor];
  readonly fc2: readonly [weight: tf.Tensor, bias: tf.Tensor];
  /** What the two branches are multiplied with, [W] each. */
  readonly scales?: readonly [attention: tf.Tensor, perceptron: tf.Tensor] | undefined;
}

/** How {@link transformerBlock} computes. */
export interface TransformerBlockOptions {
  /** Sequences in the batch, n. */
  readonly count: number;
  readonly heads: number;
  readonly activation: GeluKind;
  /** Of both layer normalisations. */
  readonly epsilon: number;
}

const pair: ArgumentRule = ["tensor"];
const weightsRule: ArgumentRule = {
  norm1: pair,
  attention: [pair],
  out: pair,
  norm2: pair,
  fc1: pair,
  fc2: pair,
  "scales?": pair,
};

/**
 * A transformer's block with the norms before its branches: x + attention(norm1(x)), then y + perceptron(norm2(y)).
 *
 * Outside of a gradient, a backend that can runs it as one graph, so that nothing but the result leaves it.
 *
 * @param x [n · tokens, W] float32, sequence after sequence
 * @returns [n · tokens, W]
 * @throws VillaError `InvalidArgument` for weights that are not in pairs
 */
export function transformerBlock(
  x: tf.Tensor2D,
  weights: TransformerBlockWeights,
  options: TransformerBlockOptions,
): tf.Tensor2D {
  checkArgument("x", x, "tensor2");
  checkArgument("weights", weights, weightsRule);
  checkArgument("options", options, {
    count: "count",
    heads: "count",
    activation: "'gelu' | 'gelu_tanh' | 'quick_gelu'",
    epsilon: "number",
  });

  checkPairs(weights);
  return (whole(x, weights, options) ?? tf.tidy(() => composed(x, weights, options))) as tf.Tensor2D;
}

function checkPairs({ norm1, attention, out, norm2, fc1, fc2, scales }: TransformerBlockWeights): void {
  const pairs: readonly (readonly unknown[])[] = [norm1, ...attention, out, norm2, fc1, fc2, scales ?? [0, 0]];
  if (pairs.every(({ length }) => length === 2) && (attention.length === 1 || attention.length === 3)) return;
  throw new VillaError("InvalidArgument", "A block's weights come in pairs; its attention has one pair or three.");
}

/** Runs the block as one kernel, which has no gradient. */
function whole(x: tf.Tensor2D, weights: TransformerBlockWeights, options: TransformerBlockOptions) {
  if (tf.engine().state.gradientDepth > 0) return undefined;
  const { norm1, attention, out, norm2, fc1, fc2, scales } = weights;
  const all = [...norm1, ...attention.flat(), ...out, ...norm2, ...fc1, ...fc2, ...(scales ?? [])];
  const named = all.map((tensor, index): [string, tf.Tensor] => [`w${index}`, tensor]);
  const attributes = { ...options, joint: attention.length === 1, scaled: scales !== undefined };
  return runFused("VillaTransformerBlock", { x, ...Object.fromEntries(named) }, attributes)?.[0];
}

function composed(
  x: tf.Tensor2D,
  weights: TransformerBlockWeights,
  { count, heads, activation, epsilon }: TransformerBlockOptions,
): tf.Tensor2D {
  const { norm1, out, norm2, fc1, fc2, scales } = weights;
  const scaled = (branch: tf.Tensor, scale: tf.Tensor | undefined) => (scale ? tf.mul(branch, scale) : branch);
  const normed = layerNorm(x, ...norm1, epsilon);
  const [query, key, value] = separate(weights.attention).map((own) => layer(normed, own));
  const mixed = attention(query!, key!, value!, { count, heads });
  const attended = tf.add(x, scaled(layer(mixed, out), scales?.[0])) as tf.Tensor2D;
  const hidden = gelu(layer(layerNorm(attended, ...norm2, epsilon), fc1), activation);
  return tf.add(attended, scaled(layer(hidden, fc2), scales?.[1]));
}

/** Query, key and value, cut from one matrix where they lie in one. */
function separate(joint: TransformerBlockWeights["attention"]): TransformerBlockWeights["attention"] {
  if (joint.length > 1) return joint;
  // Splits, not slices: their gradient is one concatenation, while each slice's pads itself to the whole matrix.
  const [weights, biases] = joint[0]!.map((whole) => tf.split(whole, 3, 0)) as [tf.Tensor[], tf.Tensor[]];
  return weights.map((weight, index) => [weight, biases[index]!] as const);
}

function layer(x: tf.Tensor, [weight, bias]: readonly [tf.Tensor, tf.Tensor]): tf.Tensor2D {
  return linear(x, weight as tf.Tensor2D, bias as tf.Tensor1D) as tf.Tensor2D;
}
