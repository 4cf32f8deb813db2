import * as tf from "@tensorflow/tfjs-core";
import { checkArgument } from "@villa/data";
import { runFused } from "../backend/fused.ts";

/**
 * Sum over all axes but the last: x [..., C] -> [C].
 *
 * A product with a row of ones: TF.js transposes the whole tensor to reduce a leading axis, a product reads it once.
 * Records no gradient of its own kernel; use it in backward passes and inside `tf.customGrad`.
 */
export function sumRows(x: tf.Tensor): tf.Tensor1D {
  checkArgument("x", x, "tensor");

  const channels = x.shape.at(-1) ?? 1;
  const rows = channels === 0 ? 0 : x.size / channels;
  return tf.tidy(() => {
    const x2d = tf.reshape(x, [rows, channels]); // [..., C] -> [N, C]
    const fused = runFused("VillaSumRows", { x: x2d });
    if (fused) return fused[0] as tf.Tensor1D;
    // In two stages: engines add up one by one in float32, and errors grow with the number of terms.
    const blocks = divisorNear(Math.sqrt(rows), rows);
    const partial = product(tf.reshape(x2d, [rows / blocks, blocks * channels]));
    return tf.reshape(product(tf.reshape(partial, [blocks, channels])), [channels]);
  });
}

/** [N, C] -> [1, C] */
function product(x: tf.Tensor2D): tf.Tensor2D {
  return tf.matMul(tf.ones([1, x.shape[0]]), x);
}

/** The largest divisor of `whole` that is at most `limit`. */
function divisorNear(limit: number, whole: number): number {
  for (let divisor = Math.floor(limit); divisor > 1; divisor--) if (whole % divisor === 0) return divisor;
  return 1;
}
