import * as tf from "@tensorflow/tfjs-core";
import { sumRows } from "../reduce.ts";

export type Gradients = Record<string, () => tf.Tensor>;

/** Attributes arrive untyped from the tape; each gradient names those its kernel has. */
export type Attributes = Readonly<Record<string, unknown>>;

/** Sums a gradient over the axes that broadcasting had stretched, back to `shape`. */
export function unbroadcast(gradient: tf.Tensor, shape: readonly number[]): tf.Tensor {
  if (tf.util.arraysEqual(gradient.shape, shape as number[])) return tf.clone(gradient);
  const trimmed = shape.findIndex((side) => side !== 1);
  const core = trimmed < 0 ? [] : shape.slice(trimmed);
  const tail = gradient.shape.slice(gradient.shape.length - core.length);
  if (tf.util.arraysEqual(tail, core)) {
    // Only leading axes were stretched, as a bias is: one pass over the rows.
    const size = tf.util.sizeFromShape(core);
    return tf.reshape(sumRows(tf.reshape(gradient, [-1, size])), shape as number[]);
  }
  const axes = tf.broadcast_util.getReductionAxes(shape as number[], gradient.shape);
  return tf.reshape(axes.length > 0 ? tf.sum(gradient, axes) : gradient, shape as number[]);
}

/** Negative axes counted from the end, a missing axis meaning all. */
export function axesOf(axis: unknown, rank: number): number[] {
  const listed = axis === undefined || axis === null ? Array.from({ length: rank }, (_, i) => i) : [axis].flat();
  return (listed as number[]).map((each) => (each < 0 ? rank + each : each));
}

/** The shape with 1 at the reduced axes. */
export function keptShape(shape: readonly number[], axes: readonly number[]): number[] {
  return shape.map((side, axis) => (axes.includes(axis) ? 1 : side));
}
