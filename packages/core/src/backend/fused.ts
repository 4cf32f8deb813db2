import * as tf from "@tensorflow/tfjs-core";
import { checkArgument } from "@villa/data";

/** Attributes of a fused kernel: plain numbers, flags, words and lists of numbers. */
export type FusedAttributes = Record<string, number | boolean | string | number[]>;

/**
 * Kernels that a backend may register with `tf.registerKernel` to replace a chain of plain TF.js ops. Each op of this
 * package that names one works without it; the kernel must compute the same values.
 *
 * - `VillaBatchNormTrain`: inputs `x [N, C]`, `gamma [C]`, `beta [C]`; attributes `epsilon`, `relu`; outputs
 *   `[y [N, C], mean [C], variance [C], inverseStd [C]]` with the biased variance, inverseStd = 1/sqrt(variance + epsilon).
 * - `VillaBatchNormTrainGrad`: inputs `dy [N, C]`, `x [N, C]`, `y [N, C]`, `gamma [C]`, `mean [C]`, `inverseStd [C]`;
 *   attribute `relu` (dy counts only where y > 0; without it y is not read and may be any map); outputs `[dx [N, C], dgamma [C], dbeta [C]]`.
 * - `VillaBatchNormInference`: inputs `x [N, C]`, `scale [C]`, `shift [C]`; attribute `relu`; output `[y [N, C]]` =
 *   x·scale + shift.
 * - `VillaAvgPoolGrad`: input `dy [B, h, w, C]`; attributes `size`, `height`, `width`; output `[dx [B, height, width, C]]`
 *   of a non-overlapping average pool.
 * - `VillaAdamStep`: inputs `parameter`, `gradient`, `mean`, `meanSquare` (one shape); attributes `learningRate`, `beta1`,
 *   `beta2`, `epsilon`, `weightDecay`, `decoupled`, `biasCorrection1` = 1 - beta1^t, `biasCorrection2` = 1 - beta2^t.
 *   Outputs `[parameter, mean, meanSquare]` anew, or nothing after updating the three in place, which is allowed only
 *   where no other tensor shares their data (reference count 1).
 * - `VillaSumRows`: input `x [N, C]`; output `[sum [C]]`.
 * - `VillaLayerNorm`: inputs `x [N, C]`, `gamma [C]`, `beta [C]`; attribute `epsilon`; output `[y [N, C]]`.
 * - `VillaLayerNormGrad`: inputs `dy [N, C]`, `x [N, C]`, `gamma [C]`; attribute `epsilon`; outputs
 *   `[dx [N, C], dgamma [C], dbeta [C]]`.
 * - `VillaGelu`: input `x`; attribute `kind` (see `GeluKind`); output `[y]` of x's shape.
 * - `VillaGeluSlope`: `VillaGelu`'s input and attribute; outputs `[y, dy/dx]`.
 * - `VillaAttention`: inputs `query [n·queries, W]`, `key [n·keys, W]`, `value [n·keys, W]` and optionally
 *   `mask [1 or n, 1, queries, keys]`; attributes `count` (n) and `heads`; output `[y [n·queries, W]]`, see `attention`.
 * - `VillaAttentionGrad`: `VillaAttention`'s inputs, its output `y` and that one's gradient `dy`; its attributes; outputs
 *   `[dquery, dkey, dvalue]` of the inputs' shapes.
 * - `VillaTransformerBlock`: inputs `x [n·tokens, W]` and `w0`, `w1`, … in the order of `TransformerBlockWeights`;
 *   attributes `count` (n), `heads`, `activation`, `epsilon`, `joint` (query, key and value are one matrix), `scaled` (the
 *   branches have factors); output `[y [n·tokens, W]]`, see `transformerBlock`.
 * - `VillaHalves`: input `x` that is not on the device yet; output `[y]` of its shape and dtype, rounded to float16 and
 *   stored so, which every operation takes. See `frozenWeight`.
 */
export type FusedKernelName =
  | "VillaBatchNormTrain"
  | "VillaBatchNormTrainGrad"
  | "VillaBatchNormInference"
  | "VillaAvgPoolGrad"
  | "VillaAdamStep"
  | "VillaSumRows"
  | "VillaLayerNorm"
  | "VillaLayerNormGrad"
  | "VillaGelu"
  | "VillaGeluSlope"
  | "VillaAttention"
  | "VillaAttentionGrad"
  | "VillaTransformerBlock"
  | "VillaHalves";

/**
 * Runs a fused kernel if the current backend has it.
 *
 * Call it outside of a gradient tape or inside `tf.customGrad`: fused kernels have no registered gradient.
 *
 * @returns the kernel's outputs, or undefined when the caller must use its own ops.
 */
export function runFused(
  name: FusedKernelName,
  inputs: Record<string, tf.Tensor>,
  attributes: FusedAttributes = {},
): tf.Tensor[] | undefined {
  checkArgument("name", name, "text");
  checkArgument("inputs", inputs, "object");
  checkArgument("attributes?", attributes, "object");

  if (!hasFused(name)) return undefined;
  const outputs: tf.Tensor | tf.Tensor[] = tf.engine().runKernel(name, inputs, attributes);
  return Array.isArray(outputs) ? outputs : [outputs];
}

/** True when the current backend registers the fused kernel. */
export function hasFused(name: FusedKernelName): boolean {
  checkArgument("name", name, "text");

  return Boolean(tf.getKernel(name, tf.getBackend()));
}
