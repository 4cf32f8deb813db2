import * as tf from "@tensorflow/tfjs-core";
import { checkArgument } from "@villa/data";

/** What a TF.js backend implements beside its kernels when it multiplies ordinary arrays where they lie. */
export interface RowMultiplier {
  /** a·bᵀ of a [m, dimension] and b [n, dimension]: [m, n]. */
  rowProducts(a: Float32Array, b: Float32Array, dimension: number): Float32Array;
}

/**
 * The dot product of every row of one array with every row of another, on the current backend. A backend that reads ordinary
 * arrays where they lie does so; for the others both are copied into tensors for as long as it takes.
 *
 * @param a [m, dimension] row-major
 * @param b [n, dimension] row-major
 * @returns [m, n] row-major
 */
export async function rowProducts(a: Float32Array, b: Float32Array, dimension: number): Promise<Float32Array> {
  checkArgument("a", a, "numbers");
  checkArgument("b", b, "numbers");
  checkArgument("dimension", dimension, "count");

  const backend = tf.backend() as Partial<RowMultiplier>;
  if (backend.rowProducts) return backend.rowProducts(a, b, dimension);
  const product = tf.tidy(() => {
    const rows = tf.tensor2d(a, [a.length / dimension, dimension]);
    return tf.matMul(rows, tf.tensor2d(b, [b.length / dimension, dimension]), false, true);
  });
  try {
    return (await product.data()) as Float32Array;
  } finally {
    product.dispose();
  }
}
