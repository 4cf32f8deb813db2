import * as tf from "@tensorflow/tfjs-core";
import { checkArgument } from "@villa/data";
import { sumRows } from "./reduce.ts";

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
  // A reshape keeps its input until the backward pass, for its shape: none where nothing changes.
  const flat = x.rank === 2;
  const rows = flat ? x : tf.reshape(x, [-1, inputs]); // [..., in] -> [N, in]
  const matrix = weight as tf.Tensor2D;
  const product = bias ? biased(rows, matrix, bias as tf.Tensor1D) : tf.matMul(rows, matrix, false, true); // [N, out]
  return flat ? product : tf.reshape(product, [...x.shape.slice(0, -1), outputs]);
}

/** Product and bias in one pass over the result; TF.js's own gradient of that would keep the result alive. */
function biased(rows: tf.Tensor, weight: tf.Tensor2D, bias: tf.Tensor1D): tf.Tensor {
  const multiply = tf.customGrad((...args) => {
    const [x, weight, bias, save] = args as unknown as [tf.Tensor2D, tf.Tensor2D, tf.Tensor1D, tf.GradSaveFunc];
    save([x, weight]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const [x, weight] = saved as [tf.Tensor2D, tf.Tensor2D];
      return [tf.matMul(dy as tf.Tensor2D, weight), tf.matMul(dy as tf.Tensor2D, x, true), sumRows(dy as tf.Tensor2D)];
    };
    return { value: tf.fused.matMul({ a: x, b: weight, transposeB: true, bias }), gradFunc };
  });
  return multiply(rows, weight, bias);
}
