import * as tf from "@tensorflow/tfjs-core";
import { permute } from "../strided.ts";
import type { Workspace } from "../workspace.ts";
import { input, type KernelCall, type Override, onFloats, sizeOf } from "./register.ts";

/** A reduction seen as [outer, reduced, inner] -> [outer, inner]. */
interface Folded {
  readonly at: number;
  readonly outer: number;
  readonly reduced: number;
  readonly inner: number;
  readonly shape: number[];
}

export function registerReductions(override: Override): void {
  override(
    "Sum",
    onFloats(["x"], (call) => sum(call, false)),
  );
  override(
    "Mean",
    onFloats(["x"], (call) => sum(call, true)),
  );
  override(
    "Max",
    onFloats(["x"], (call) => extreme(call, 0)),
  );
  override(
    "Min",
    onFloats(["x"], (call) => extreme(call, 1)),
  );
  override("Softmax", onFloats(["logits"], softmax));
  override("LogSoftmax", onFloats(["logits"], logSoftmax));
}

function sum({ inputs, attrs, space }: KernelCall, mean: boolean): tf.TensorInfo {
  const x = input(inputs, "x");
  const { at, outer, reduced, inner, shape } = fold(space, x, attrs.axis as number[], Boolean(attrs.keepDims));
  const y = space.output(shape);
  const scale = mean ? 1 / reduced : 1;
  if (inner === 1) space.simd.sumRows(y.at, at, outer, reduced, scale);
  else space.simd.sumColumns(y.at, at, space.scratch(inner), outer, reduced, inner, scale);
  return y.info;
}

function extreme({ inputs, attrs, space }: KernelCall, minimum: number): tf.TensorInfo {
  const x = input(inputs, "x");
  const axes = (attrs.reductionIndices ?? attrs.axis) as number[];
  const { at, outer, reduced, inner, shape } = fold(space, x, axes, Boolean(attrs.keepDims));
  const y = space.output(shape);
  if (inner === 1) space.simd.extremeRows(y.at, at, outer, reduced, minimum);
  else space.simd.extremeColumns(y.at, at, outer, reduced, inner, minimum);
  return y.info;
}

/** Brings the reduced axes together: in place when they are adjacent, else by a transpose that puts them last. */
function fold(space: Workspace, x: tf.TensorInfo, axis: number[] | number, keepDims: boolean): Folded {
  const axes = tf.util.parseAxisParam(axis, x.shape).sort((a, b) => a - b);
  const kept = x.shape.map((_, i) => i).filter((i) => !axes.includes(i));
  const shape = keepDims ? x.shape.map((n, i) => (axes.includes(i) ? 1 : n)) : kept.map((i) => x.shape[i]!);
  const product = (list: readonly number[]) => list.reduce((total, i) => total * x.shape[i]!, 1);
  const reduced = product(axes);
  const adjacent = axes.every((axis, i) => i === 0 || axis === axes[i - 1]! + 1);
  if (adjacent) {
    const first = axes[0] ?? 0;
    const outer = product(kept.filter((i) => i < first));
    return { at: space.pointer(x), outer, reduced, inner: product(kept.filter((i) => i > first)), shape };
  }
  const at = space.scratch(sizeOf(x));
  permute(space, at, space.pointer(x), x.shape, [...kept, ...axes]);
  return { at, outer: product(kept), reduced, inner: 1, shape };
}

function softmax({ inputs, attrs, space }: KernelCall): tf.TensorInfo | undefined {
  const x = input(inputs, "logits");
  const n = x.shape.at(-1)!;
  if ((attrs.dim as number) !== x.shape.length - 1 && (attrs.dim as number) !== -1) return undefined;
  const y = space.output(x.shape);
  space.simd.softmax(y.at, space.pointer(x), sizeOf(x) / n, n);
  return y.info;
}

function logSoftmax({ backend, inputs, attrs }: KernelCall): tf.TensorInfo | undefined {
  const x = input(inputs, "logits");
  const n = x.shape.at(-1)!;
  if ((attrs.axis as number) !== x.shape.length - 1 && (attrs.axis as number) !== -1) return undefined;
  const values = backend.valuesOf(x) as Float32Array;
  const result = backend.floats(values.length);
  for (let row = 0; row < values.length; row += n) {
    let highest = Number.NEGATIVE_INFINITY;
    for (let i = row; i < row + n; i++) highest = Math.max(highest, values[i]!);
    let total = 0;
    for (let i = row; i < row + n; i++) total += Math.exp(values[i]! - highest);
    const shift = highest + Math.log(total);
    for (let i = row; i < row + n; i++) result[i] = values[i]! - shift;
  }
  return backend.tensor(x.shape, result);
}
