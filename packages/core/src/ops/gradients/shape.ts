import * as tf from "@tensorflow/tfjs-core";
import { axesOf } from "./shared.ts";

/** Rearrangements: their gradients rearrange back. */
export const shapeGradients: readonly tf.GradConfig[] = [
  { kernelName: tf.Reshape, inputsToSave: ["x"], gradFunc: reshapeBack("x") },
  { kernelName: tf.ExpandDims, inputsToSave: ["input"], gradFunc: reshapeBack("input") },
  {
    kernelName: tf.Transpose,
    gradFunc: (dy, _, attrs) => {
      const permutation = attrs.perm as number[];
      const inverse = permutation.map((__, axis) => permutation.indexOf(axis));
      return { x: () => tf.transpose(dy as tf.Tensor, inverse) };
    },
  },
  {
    kernelName: tf.Concat,
    saveAllInputs: true,
    gradFunc: (dy, saved, attrs) => {
      const axis = axesOf(attrs.axis, saved[0]!.rank)[0]!;
      let start = 0;
      const gradients: Record<string, () => tf.Tensor> = {};
      saved.forEach((input, index) => {
        const begin = input.shape.map((_, i) => (i === axis ? start : 0));
        start += input.shape[axis]!;
        gradients[index] = () => tf.slice(dy as tf.Tensor, begin, input.shape);
      });
      return gradients;
    },
  },
  {
    kernelName: tf.SplitV,
    gradFunc: (dy, _, attrs) => ({ x: () => tf.concat([dy].flat() as tf.Tensor[], attrs.axis as number) }),
  },
  {
    kernelName: tf.Pack,
    saveAllInputs: true,
    gradFunc: (dy, saved, attrs) => {
      const parts = tf.unstack(dy as tf.Tensor, attrs.axis as number);
      return Object.fromEntries(saved.map((_, index) => [index, () => tf.clone(parts[index]!)]));
    },
  },
  {
    kernelName: tf.Unpack,
    gradFunc: (dy, _, attrs) => ({ value: () => tf.stack([dy].flat() as tf.Tensor[], attrs.axis as number) }),
  },
  {
    kernelName: tf.Slice,
    inputsToSave: ["x"],
    gradFunc: (dy, saved, attrs) => {
      const x = saved[0]!;
      const bounds = tf.slice_util.parseSliceParams(x, attrs.begin as number[], attrs.size as number[]);
      const [begin, size] = bounds as [number[], number[]];
      const paddings = x.shape.map((side, i): [number, number] => [begin[i]!, side - begin[i]! - size[i]!]);
      return { x: () => tf.pad(dy as tf.Tensor, paddings) };
    },
  },
  {
    kernelName: tf.PadV2,
    inputsToSave: ["x"],
    gradFunc: (dy, saved, attrs) => {
      const begin = (attrs.paddings as unknown as [number, number][]).map(([before]) => before);
      return { x: () => tf.slice(dy as tf.Tensor, begin, saved[0]!.shape) };
    },
  },
  {
    kernelName: tf.Tile,
    inputsToSave: ["x"],
    gradFunc: (dy, saved, attrs) => ({ x: () => foldTiles(dy as tf.Tensor, saved[0]!.shape, attrs.reps as number[]) }),
  },
  {
    kernelName: tf.Reverse,
    gradFunc: (dy, _, attrs) => ({ x: () => tf.reverse(dy as tf.Tensor, attrs.dims as number[]) }),
  },
  {
    kernelName: tf.GatherV2,
    inputsToSave: ["x", "indices"],
    gradFunc: (dy, saved, attrs) => {
      const [x, indices] = saved as [tf.Tensor, tf.Tensor];
      return {
        x: () => scatterAdd(dy as tf.Tensor, indices, x.shape, axesOf(attrs.axis, x.rank)[0]!),
        indices: () => tf.zerosLike(indices),
      };
    },
  },
];

function reshapeBack(input: string): tf.GradFunc {
  return (dy, saved) => ({ [input]: () => tf.reshape(dy as tf.Tensor, saved[0]!.shape) });
}

/** Sums the copies that `tile` made, one axis after the other: axis n·side -> [n, side] -> side. */
function foldTiles(dy: tf.Tensor, shape: readonly number[], reps: readonly number[]): tf.Tensor {
  return reps.reduce((sum, copies, axis) => {
    if (copies === 1) return sum;
    const unfolded = [...sum.shape.slice(0, axis), copies, shape[axis]!, ...sum.shape.slice(axis + 1)];
    return tf.sum(tf.reshape(sum, unfolded), axis);
  }, dy);
}

/** Gradient of `gather`: a product with the one-hot matrix of the indices, since wasm lacks a segmented sum. */
function scatterAdd(dy: tf.Tensor, indices: tf.Tensor, shape: readonly number[], axis: number): tf.Tensor {
  const before = tf.util.sizeFromShape(shape.slice(0, axis));
  const after = tf.util.sizeFromShape(shape.slice(axis + 1));
  const picked = tf.reshape(dy, [before, indices.size, after]);
  const rows = tf.reshape(tf.transpose(picked, [1, 0, 2]), [indices.size, before * after]); // picked axis first
  const oneHot = tf.cast(tf.oneHot(tf.reshape(tf.cast(indices, "int32"), [-1]), shape[axis]!), "float32");
  const sums = tf.matMul(oneHot as tf.Tensor2D, rows as tf.Tensor2D, true); // [side, before·after]
  const restored = tf.transpose(tf.reshape(sums, [shape[axis]!, before, after]), [1, 0, 2]);
  return tf.reshape(restored, shape as number[]);
}
