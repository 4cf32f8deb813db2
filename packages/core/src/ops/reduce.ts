import * as tf from "@tensorflow/tfjs-core";
import { runFused } from "../backend/fused.ts";

/**
 * Sum over all axes but the last: x [..., C] -> [C].
 *
 * A product with a row of ones: TF.js transposes the whole tensor to reduce a leading axis, a product reads it once.
 * Records no gradient of its own kernel; use it in backward passes and inside `tf.customGrad`.
 */
export function sumRows(x: tf.Tensor): tf.Tensor1D {
  const channels = x.shape.at(-1) ?? 1;
  const rows = channels === 0 ? 0 : x.size / channels;
  return tf.tidy(() => {
    const x2d = tf.reshape(x, [rows, channels]); // [..., C] -> [N, C]
    const fused = runFused("VillaSumRows", { x: x2d });
    if (fused) return fused[0] as tf.Tensor1D;
    return tf.reshape(tf.matMul(tf.ones([1, rows]), x2d), [channels]);
  });
}
