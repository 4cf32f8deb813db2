import * as tf from "@tensorflow/tfjs-core";
import { type CopyAxis, permute, stridedCopy, stridesOf } from "../strided.ts";
import { input, type KernelCall, type Override, onFloats, sizeOf } from "./register.ts";

export function registerLayout(override: Override): void {
  override("Transpose", onFloats(["x"], transpose));
  override("Slice", onFloats(["x"], slice));
  override("SplitV", onFloats(["x"], split));
  override("PadV2", onFloats(["x"], pad));
  override("Tile", onFloats(["x"], tile));
  override("Reverse", onFloats(["x"], reverse));
  override("Concat", concat);
  override("Pack", pack);
  override("GatherV2", onFloats(["x"], gather));
  override("UnsortedSegmentSum", onFloats(["x"], unsortedSegmentSum));
  override("Fill", fill);
  override(
    "ZerosLike",
    onFloats(["x"], (call) => constantLike(call, 0)),
  );
  override(
    "OnesLike",
    onFloats(["x"], (call) => constantLike(call, 1)),
  );
}

function transpose({ inputs, attrs, space }: KernelCall): tf.TensorInfo {
  const x = input(inputs, "x");
  const permutation = attrs.perm as number[];
  const y = space.output(permutation.map((axis) => x.shape[axis]!));
  permute(space, y.at, space.pointer(x), x.shape, permutation);
  return y.info;
}

function slice({ inputs, attrs, space }: KernelCall): tf.TensorInfo | undefined {
  const x = input(inputs, "x");
  const [begin, size] = tf.slice_util.parseSliceParams(
    x as tf.Tensor,
    attrs.begin as number[],
    attrs.size as number[],
  ) as [number[], number[]];
  tf.slice_util.assertParamsValid(x as tf.Tensor, begin, size);
  if (tf.util.sizeFromShape(size) === 0) return undefined;
  return part(space, x, begin, size);
}

function split({ inputs, attrs, space }: KernelCall): tf.TensorInfo[] | undefined {
  const x = input(inputs, "x");
  const [axis] = tf.util.parseAxisParam(attrs.axis as number, x.shape) as [number];
  const sizes = tf.backend_util.prepareSplitSize(x as tf.Tensor, attrs.numOrSizeSplits as number[] | number, axis);
  if (sizes.includes(0)) return undefined;
  let from = 0;
  return sizes.map((length) => {
    const begin = x.shape.map((_, i) => (i === axis ? from : 0));
    from += length;
    const size = x.shape.map((n, i) => (i === axis ? length : n));
    return part(space, x, begin, size);
  });
}

/** A block of a tensor, [size] from the position `begin`. */
function part(
  space: KernelCall["space"],
  x: tf.TensorInfo,
  begin: readonly number[],
  size: readonly number[],
): tf.TensorInfo {
  const xStrides = stridesOf(x.shape);
  const yStrides = stridesOf(size);
  const y = space.output(size);
  const start = begin.reduce((offset, from, axis) => offset + from * xStrides[axis]!, 0);
  const axes = size.map((n, axis) => ({ n, y: yStrides[axis]!, x: xStrides[axis]! }));
  stridedCopy(space, y.at, space.pointer(x) + start * 4, axes);
  return y.info;
}

function pad({ inputs, attrs, space }: KernelCall): tf.TensorInfo {
  const x = input(inputs, "x");
  const paddings = attrs.paddings as [number, number][];
  const shape = x.shape.map((n, axis) => n + paddings[axis]![0] + paddings[axis]![1]);
  const yStrides = stridesOf(shape);
  const xStrides = stridesOf(x.shape);
  const y = space.output(shape);
  space.simd.fill(y.at, tf.util.sizeFromShape(shape), attrs.constantValue as number);
  const start = paddings.reduce((offset, [before], axis) => offset + before * yStrides[axis]!, 0);
  const axes = x.shape.map((n, axis) => ({ n, y: yStrides[axis]!, x: xStrides[axis]! }));
  stridedCopy(space, y.at + start * 4, space.pointer(x), axes);
  return y.info;
}

function tile({ inputs, attrs, space }: KernelCall): tf.TensorInfo | undefined {
  const x = input(inputs, "x");
  const repetitions = attrs.reps as number[];
  const shape = x.shape.map((n, axis) => n * repetitions[axis]!);
  if (tf.util.sizeFromShape(shape) === 0) return undefined;
  const yStrides = stridesOf(shape);
  const xStrides = stridesOf(x.shape);
  const y = space.output(shape);
  const axes = x.shape.flatMap((n, axis): CopyAxis[] => [
    { n: repetitions[axis]!, y: yStrides[axis]! * n, x: 0 },
    { n, y: yStrides[axis]!, x: xStrides[axis]! },
  ]);
  stridedCopy(space, y.at, space.pointer(x), axes);
  return y.info;
}

function reverse({ inputs, attrs, space }: KernelCall): tf.TensorInfo {
  const x = input(inputs, "x");
  const dims = tf.util.parseAxisParam(attrs.dims as number[], x.shape);
  const strides = stridesOf(x.shape);
  const y = space.output(x.shape);
  const start = dims.reduce((offset, axis) => offset + (x.shape[axis]! - 1) * strides[axis]!, 0);
  const axes = x.shape.map((n, axis) => {
    const stride = strides[axis]!;
    return { n, y: stride, x: dims.includes(axis) ? -stride : stride };
  });
  stridedCopy(space, y.at, space.pointer(x) + start * 4, axes);
  return y.info;
}

function concat({ inputs, attrs, space }: KernelCall): tf.TensorInfo | undefined {
  const parts = (Object.values(inputs) as tf.TensorInfo[]).filter((part) => sizeOf(part) > 0);
  const first = parts[0];
  if (!first || parts.some((part) => part.dtype !== "float32")) return undefined;
  const [axis] = tf.util.parseAxisParam(attrs.axis as number, first.shape) as [number];
  const shape = tf.backend_util.computeOutShape(
    parts.map((part) => part.shape),
    axis,
  );
  return join(space, parts, shape, axis);
}

/** tf.stack: a concatenation along a new axis. */
function pack({ inputs, attrs, space }: KernelCall): tf.TensorInfo | undefined {
  const parts = Object.values(inputs) as tf.TensorInfo[];
  const first = parts[0];
  if (!first || sizeOf(first) === 0 || parts.some((part) => part.dtype !== "float32")) return undefined;
  const axis = (attrs.axis as number) < 0 ? (attrs.axis as number) + first.shape.length + 1 : (attrs.axis as number);
  for (const part of parts) tf.util.assertShapesMatch(first.shape, part.shape, "All tensors of a stack must match.");
  const shape = [...first.shape.slice(0, axis), parts.length, ...first.shape.slice(axis)];
  return join(space, parts, shape, axis);
}

/** Lays the parts side by side: [outer, inner of each part] each. */
function join(space: KernelCall["space"], parts: tf.TensorInfo[], shape: number[], axis: number): tf.TensorInfo {
  const outer = tf.util.sizeFromShape(shape.slice(0, axis));
  const row = tf.util.sizeFromShape(shape) / outer;
  const y = space.output(shape);
  let offset = 0;
  for (const part of parts) {
    const n = sizeOf(part) / outer;
    const axes = [
      { n: outer, y: row, x: n },
      { n, y: 1, x: 1 },
    ];
    stridedCopy(space, y.at + offset * 4, space.pointer(part), axes);
    offset += n;
  }
  return y.info;
}

function gather({ backend, inputs, attrs, space }: KernelCall): tf.TensorInfo | undefined {
  const x = input(inputs, "x");
  const indices = input(inputs, "indices");
  const [axis] = tf.util.parseAxisParam(attrs.axis as number, x.shape) as [number];
  if (axis !== 0 || attrs.batchDims || indices.dtype !== "int32" || sizeOf(indices) === 0) return undefined;
  const rows = x.shape[0]!;
  const index = backend.valuesOf(indices) as Int32Array;
  for (const i of index) if (i < 0 || i >= rows) throw new Error(`gather: index ${i} is out of range [0, ${rows}).`);
  const y = space.output([...indices.shape, ...x.shape.slice(1)]);
  space.simd.gatherRows(y.at, space.pointer(x), space.stage(index), index.length, sizeOf(x) / rows);
  return y.info;
}

/** Rows added up by segment, in order: the gradient of a gather. */
function unsortedSegmentSum({ backend, inputs, attrs, space }: KernelCall): tf.TensorInfo | undefined {
  const x = input(inputs, "x");
  const segmentIds = input(inputs, "segmentIds");
  const segments = attrs.numSegments as number;
  if (segmentIds.dtype !== "int32" || segments === 0) return undefined;
  const ids = backend.valuesOf(segmentIds) as Int32Array;
  const inner = x.shape.slice(segmentIds.shape.length);
  const row = tf.util.sizeFromShape(inner);
  const y = space.output([segments, ...inner]);
  space.simd.fill(y.at, segments * row, 0);
  const kept = ids.map((id) => (id < segments ? id : -1));
  space.simd.scatterAddRows(y.at, space.pointer(x), space.stage(kept), ids.length, row);
  return y.info;
}

function fill({ attrs, space }: KernelCall): tf.TensorInfo | undefined {
  const shape = attrs.shape as number[];
  const value = attrs.value;
  const dtype = attrs.dtype ?? "float32";
  if (dtype !== "float32" || typeof value !== "number" || tf.util.sizeFromShape(shape) === 0) return undefined;
  const y = space.output(shape);
  space.simd.fill(y.at, tf.util.sizeFromShape(shape), value);
  return y.info;
}

function constantLike({ inputs, space }: KernelCall, value: number): tf.TensorInfo {
  const x = input(inputs, "x");
  const y = space.output(x.shape);
  space.simd.fill(y.at, sizeOf(x), value);
  return y.info;
}
