import * as tf from "@tensorflow/tfjs-core";
import { checkArgument } from "@villa/data";

/**
 * x · weightᵀ + bias, with the weight as torch stores it.
 *
 * @param x [..., in] float32
 * @param weight [out, in]
 * @param bias [out]
 * @returns [..., out]
 */
export function linear(x: tf.Tensor, weight: tf.Tensor2D | tf.Variable, bias?: tf.Tensor1D | tf.Variable): tf.Tensor {
  checkArgument("x", x, "tensor");
  checkArgument("weight", weight, "tensor");
  checkArgument("bias?", bias, "tensor");

  const [outputs, inputs] = weight.shape as [number, number];
  const rows = tf.reshape(x, [-1, inputs]); // [..., in] -> [N, in]
  const product = tf.matMul(rows, weight as tf.Tensor2D, false, true); // [N, out]
  return tf.reshape(bias ? tf.add(product, bias) : product, [...x.shape.slice(0, -1), outputs]);
}
