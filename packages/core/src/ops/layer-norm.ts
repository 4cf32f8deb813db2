import * as tf from "@tensorflow/tfjs-core";
import { checkArgument } from "@villa/data";
import { runFused } from "../backend/fused.ts";
import { sumRows } from "./reduce.ts";

/**
 * Layer normalisation over the last axis, as torch's `nn.LayerNorm`: (x − mean) / √(variance + epsilon) · gamma + beta,
 * with the biased variance.
 *
 * The gradient is written out: composed from TF.js ops it keeps eight maps of x's size alive, here it is x alone.
 *
 * @param x [..., C] float32
 * @param gamma [C]
 * @param beta [C]
 * @returns x's shape
 */
export function layerNorm<T extends tf.Tensor>(x: T, gamma: tf.Tensor, beta: tf.Tensor, epsilon = 1e-5): T {
  checkArgument("x", x, "tensor");
  checkArgument("gamma", gamma, "tensor");
  checkArgument("beta", beta, "tensor");
  checkArgument("epsilon?", epsilon, "number");

  const channels = x.shape.at(-1)!;
  const normalize = tf.customGrad((...args) => {
    const [x, gamma, beta, save] = args as unknown as [tf.Tensor2D, tf.Tensor1D, tf.Tensor1D, tf.GradSaveFunc];
    const value = runFused("VillaLayerNorm", { x, gamma, beta }, { epsilon })?.[0] ?? composed(x, gamma, beta, epsilon);
    save([x, gamma]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const [x, gamma] = saved as [tf.Tensor2D, tf.Tensor1D];
      return backward(dy as tf.Tensor2D, x, gamma, epsilon);
    };
    return { value, gradFunc };
  });
  if (x.rank === 2) return normalize(x, gamma, beta) as T;
  const rows = tf.reshape(x, [-1, channels]); // [..., C] -> [N, C]
  return tf.reshape(normalize(rows, gamma, beta), x.shape) as T;
}

function composed(x: tf.Tensor2D, gamma: tf.Tensor1D, beta: tf.Tensor1D, epsilon: number): tf.Tensor2D {
  return tf.tidy(() => tf.add(tf.mul(standardize(x, epsilon).normed, gamma), beta));
}

function standardize(x: tf.Tensor2D, epsilon: number): { normed: tf.Tensor2D; inverseStd: tf.Tensor } {
  const centred = tf.sub(x, tf.mean(x, -1, true));
  const inverseStd = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), epsilon)); // [N, 1]
  return { normed: tf.mul(centred, inverseStd), inverseStd };
}

/** With g = dy·gamma and x̂ the normalised x: dx = (g − mean(g) − x̂·mean(g·x̂)) · inverseStd, means over each row. */
function backward(dy: tf.Tensor2D, x: tf.Tensor2D, gamma: tf.Tensor1D, epsilon: number): tf.Tensor[] {
  const fused = runFused("VillaLayerNormGrad", { dy, x, gamma }, { epsilon });
  if (fused) return fused;
  return tf.tidy(() => {
    const { normed, inverseStd } = standardize(x, epsilon);
    const g = tf.mul(dy, gamma);
    const along = tf.mul(normed, tf.mean(tf.mul(g, normed), -1, true));
    const dx = tf.mul(tf.sub(tf.sub(g, tf.mean(g, -1, true)), along), inverseStd);
    return [dx, sumRows(tf.mul(dy, normed)), sumRows(dy)];
  });
}
