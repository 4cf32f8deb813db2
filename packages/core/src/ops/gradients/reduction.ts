import * as tf from "@tensorflow/tfjs-core";
import { axesOf, keptShape } from "./shared.ts";

/** Reductions and what spreads their gradient back over the reduced axes. */
export const reductionGradients: readonly tf.GradConfig[] = [
  {
    kernelName: tf.Sum,
    inputsToSave: ["x"],
    gradFunc: (dy, saved, attrs) => ({ x: () => spread(dy as tf.Tensor, saved[0]!, attrs.axis) }),
  },
  {
    kernelName: tf.Mean,
    inputsToSave: ["x"],
    gradFunc: (dy, saved, attrs) => {
      const x = saved[0]!;
      const share = (dy as tf.Tensor).size / x.size;
      return { x: () => spread(tf.mul(dy as tf.Tensor, share), x, attrs.axis) };
    },
  },
  extremum(tf.Max),
  extremum(tf.Min),
  {
    kernelName: tf.Softmax,
    outputsToSave: [true],
    gradFunc: (dy, saved, attrs) => {
      const y = saved[0]!;
      const weighted = tf.mul(dy as tf.Tensor, y);
      return { logits: () => tf.sub(weighted, tf.mul(tf.sum(weighted, attrs.dim as number, true), y)) };
    },
  },
  {
    kernelName: tf.LogSoftmax,
    outputsToSave: [true],
    gradFunc: (dy, saved, attrs) => ({
      logits: () => {
        const total = tf.sum(dy as tf.Tensor, attrs.axis as number, true);
        return tf.sub(dy as tf.Tensor, tf.mul(total, tf.exp(saved[0]!)));
      },
    }),
  },
  {
    kernelName: tf.Cumsum,
    gradFunc: (dy, _, attrs) => ({
      x: () => tf.cumsum(dy as tf.Tensor, attrs.axis as number, attrs.exclusive as boolean, !attrs.reverse),
    }),
  },
];

function extremum(kernelName: string): tf.GradConfig {
  return {
    kernelName,
    inputsToSave: ["x"],
    outputsToSave: [true],
    gradFunc: (dy, saved, attrs) => {
      const [x, y] = saved as [tf.Tensor, tf.Tensor];
      const kept = keptShape(x.shape, axesOf(attrs.reductionIndices ?? attrs.axis, x.rank));
      // Where several entries are equal each gets the gradient, as TF.js defines it.
      const isExtreme = () => tf.cast(tf.equal(x, tf.reshape(y, kept)), "float32");
      return { x: () => tf.mul(tf.reshape(dy as tf.Tensor, kept), isExtreme()) };
    },
  };
}

function spread(dy: tf.Tensor, x: tf.Tensor, axis: unknown): tf.Tensor {
  return tf.mul(tf.reshape(dy, keptShape(x.shape, axesOf(axis, x.rank))), tf.ones(x.shape));
}
