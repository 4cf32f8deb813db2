import type { Workspace } from "./workspace.ts";

/** One axis of a copy: how many steps, and how far (in values) each step goes on both sides. */
export interface CopyAxis {
  readonly n: number;
  readonly y: number;
  readonly x: number;
}

/** How many axes the `stridedCopy` kernel takes. */
const kernelAxes = 5;

/** Row-major strides of a shape, in values. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

/**
 * y[Σ i·axis.y] = x[Σ i·axis.x] over all axes, outermost first. Axes that continue one another on both sides are merged.
 * Addresses are in bytes.
 */
export function stridedCopy(space: Workspace, y: number, x: number, axes: readonly CopyAxis[]): void {
  const merged: CopyAxis[] = [];
  for (const axis of axes) {
    if (axis.n === 0) return;
    if (axis.n === 1) continue;
    const outer = merged.at(-1);
    if (outer && outer.y === axis.n * axis.y && outer.x === axis.n * axis.x) {
      merged[merged.length - 1] = { n: outer.n * axis.n, y: axis.y, x: axis.x };
    } else {
      merged.push(axis);
    }
  }
  if (merged.length === 0) merged.push({ n: 1, y: 1, x: 1 });
  const inner = merged.slice(-kernelAxes);
  while (inner.length < kernelAxes) inner.unshift({ n: 1, y: 0, x: 0 });
  const parameters = space.parameters(
    ...inner.map((axis) => axis.n),
    ...inner.map((axis) => axis.y),
    ...inner.map((axis) => axis.x),
  );
  let starts = [{ y, x }];
  for (const axis of merged.slice(0, -kernelAxes)) {
    starts = starts.flatMap((start) =>
      Array.from({ length: axis.n }, (_, i) => ({ y: start.y + i * axis.y * 4, x: start.x + i * axis.x * 4 })),
    );
  }
  for (const start of starts) space.simd.stridedCopy(start.y, start.x, parameters);
}

/** Transposes x of this shape into contiguous y: axis i of y is axis permutation[i] of x. */
export function permute(
  space: Workspace,
  y: number,
  x: number,
  shape: readonly number[],
  permutation: readonly number[],
): void {
  const xStrides = stridesOf(shape);
  const yShape = permutation.map((axis) => shape[axis]!);
  const yStrides = stridesOf(yShape);
  const axes = permutation.map((axis, i) => ({ n: yShape[i]!, y: yStrides[i]!, x: xStrides[axis]! }));
  stridedCopy(space, y, x, tileable(axes));
}

/**
 * The kernel transposes 4×4 tiles when the last axis is contiguous in y and the one before it in x; a further axis moves
 * outside of those two.
 */
function tileable(axes: CopyAxis[]): CopyAxis[] {
  const last = axes.at(-1);
  if (!last || last.x === 1) return axes;
  const contiguous = axes.findIndex((axis) => axis.x === 1 && axis.n > 1);
  if (contiguous < 0) return axes;
  const [inX] = axes.splice(contiguous, 1);
  return [...axes.slice(0, -1), inX!, last];
}
