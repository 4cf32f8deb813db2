import * as tf from "@tensorflow/tfjs-core";
import { checkArgument } from "@villa/data";

/**
 * x / max(‖x‖₂, epsilon) along an axis, as torch's `F.normalize`.
 *
 * The gradient is written out: the one TF.js would compose is NaN for a zero vector.
 *
 * @param x any shape, float32
 * @param options `axis`: the last by default; `epsilon`: 1e-12 by default
 */
export function l2Normalize<T extends tf.Tensor>(
  x: T,
  options: { readonly axis?: number | undefined; readonly epsilon?: number | undefined } = {},
): T {
  checkArgument("x", x, "tensor");
  checkArgument("options?", options, { "axis?": "number", "epsilon?": "number" });
  const { axis = -1, epsilon = 1e-12 } = options;

  const along = axis < 0 ? x.rank + axis : axis;
  const normalize = tf.customGrad((input, save) => {
    const x = input as tf.Tensor;
    const norm = tf.maximum(tf.sqrt(tf.sum(tf.square(x), along, true)), epsilon);
    const value = tf.div(x, norm);
    (save as tf.GradSaveFunc)([value, norm]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) =>
      tf.tidy(() => {
        const [y, norm] = saved as [tf.Tensor, tf.Tensor];
        const radial = tf.sum(tf.mul(dy, y), along, true);
        return tf.div(tf.sub(dy, tf.mul(y, radial)), norm);
      });
    return { value, gradFunc };
  });
  return normalize(x) as T;
}

/**
 * log Σ exp(x) along an axis, safe for large and for very negative entries.
 *
 * @param x any shape, float32
 * @param options `axis`: the last by default
 * @returns x's shape without the axis (or with a 1 there when `keepDims`)
 */
export function logSumExp(
  x: tf.Tensor,
  options: { readonly axis?: number | undefined; readonly keepDims?: boolean | undefined } = {},
): tf.Tensor {
  checkArgument("x", x, "tensor");
  checkArgument("options?", options, { "axis?": "number", "keepDims?": "boolean" });
  const { axis = -1, keepDims = false } = options;

  const along = axis < 0 ? x.rank + axis : axis;
  const reduced = x.shape.filter((_, index) => index !== along);
  const reduce = tf.customGrad((input, save) => {
    const x = input as tf.Tensor;
    const largest = tf.max(x, along, true);
    // A row of only -Infinity has no finite reference point: subtract 0 there, so that its result is -Infinity, not NaN.
    const reference = tf.where(tf.isFinite(largest), largest, tf.zerosLike(largest));
    const kept = tf.add(tf.log(tf.sum(tf.exp(tf.sub(x, reference)), along, true)), reference);
    (save as tf.GradSaveFunc)([x, kept]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) =>
      tf.tidy(() => {
        const [x, kept] = saved as [tf.Tensor, tf.Tensor];
        return tf.mul(tf.reshape(dy, kept.shape), tf.exp(tf.sub(x, kept)));
      });
    return { value: keepDims ? kept : tf.reshape(kept, reduced), gradFunc };
  });
  return reduce(x);
}
