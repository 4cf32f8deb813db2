import * as tf from "@tensorflow/tfjs-core";
import { checkArgument } from "@villa/data";

/**
 * Rows of a table by their numbers, differentiable.
 *
 * TF.js's gradient of `gather` multiplies with a one-hot matrix as wide as the table, 100 MB and more for a vocabulary.
 * Here equal rows are summed first, by a product as wide as the number of distinct rows, then put where they belong.
 *
 * @param table [V, W] float32
 * @param rows numbers of the rows wanted, each 0 … V − 1
 * @returns [rows, W]
 */
export function embedding(table: tf.Tensor2D | tf.Variable, rows: ArrayLike<number>): tf.Tensor2D {
  checkArgument("table", table, "tensor");
  checkArgument("rows", rows, "numbers");

  const [size, width] = table.shape as [number, number];
  const look = tf.customGrad((input) => {
    const value = tf.gather(input as tf.Tensor2D, tf.tensor1d(Int32Array.from(rows), "int32"));
    const gradFunc = (dy: tf.Tensor) => tf.tidy(() => scatter(dy as tf.Tensor2D, rows, [size, width]));
    return { value, gradFunc };
  });
  return look(table as tf.Tensor2D) as tf.Tensor2D;
}

function scatter(dy: tf.Tensor2D, rows: ArrayLike<number>, shape: [number, number]): tf.Tensor2D {
  const distinct = new Map<number, number>();
  for (let i = 0; i < rows.length; i++) if (!distinct.has(rows[i]!)) distinct.set(rows[i]!, distinct.size);
  const places = Int32Array.from(rows, (row) => distinct.get(row)!);
  const oneHot = tf.cast(tf.oneHot(tf.tensor1d(places, "int32"), distinct.size), "float32") as tf.Tensor2D;
  const sums = tf.matMul(oneHot, dy, true); // [distinct, W]
  return tf.scatterND(tf.tensor2d([...distinct.keys()], [distinct.size, 1], "int32"), sums, shape);
}
