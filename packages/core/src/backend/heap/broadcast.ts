/** Sizes and steps of the innermost three axes, as the `binary` kernel takes them. */
export type InnerLoops = [
  n0: number,
  n1: number,
  n: number,
  a0: number,
  a1: number,
  aStep: number,
  b0: number,
  b1: number,
  bStep: number,
];

export interface BroadcastPlan {
  readonly inner: InnerLoops;
  /** Where each repetition of the inner loops starts, in values. */
  readonly outer: readonly { y: number; a: number; b: number }[];
}

interface Axis {
  readonly n: number;
  readonly a: number;
  readonly b: number;
}

/**
 * How to walk two operands that broadcast to one shape. Adjacent axes along which both operands step (or stand still)
 * alike are merged, which leaves at most three for nearly every pair of shapes.
 */
export function broadcastPlan(
  aShape: readonly number[],
  bShape: readonly number[],
  shape: readonly number[],
): BroadcastPlan {
  const axes = mergedAxes(aShape, bShape, shape);
  while (axes.length < 3) axes.unshift({ n: 1, a: 0, b: 0 });
  const [first, second, third] = axes.slice(-3) as [Axis, Axis, Axis];
  const inner: InnerLoops = [first.n, second.n, third.n, first.a, second.a, third.a, first.b, second.b, third.b];
  const block = first.n * second.n * third.n;
  let outer = [{ y: 0, a: 0, b: 0 }];
  for (const axis of axes.slice(0, -3)) {
    outer = outer.flatMap((start) =>
      Array.from({ length: axis.n }, (_, i) => ({ y: 0, a: start.a + i * axis.a, b: start.b + i * axis.b })),
    );
  }
  return { inner, outer: outer.map((start, index) => ({ ...start, y: index * block })) };
}

/** Axes from the outermost to the innermost; the last one steps by 1 in at least one operand. */
function mergedAxes(aShape: readonly number[], bShape: readonly number[], shape: readonly number[]): Axis[] {
  const axes: Axis[] = [];
  let aStride = 1;
  let bStride = 1;
  for (let back = 1; back <= shape.length; back++) {
    const n = shape[shape.length - back]!;
    if (n === 1) continue;
    const aMoves = (aShape[aShape.length - back] ?? 1) > 1;
    const bMoves = (bShape[bShape.length - back] ?? 1) > 1;
    const inside = axes[0];
    if (inside && inside.a > 0 === aMoves && inside.b > 0 === bMoves) {
      axes[0] = { n: inside.n * n, a: inside.a, b: inside.b };
    } else {
      axes.unshift({ n, a: aMoves ? aStride : 0, b: bMoves ? bStride : 0 });
    }
    if (aMoves) aStride *= n;
    if (bMoves) bStride *= n;
  }
  if (axes.length === 0) axes.push({ n: 1, a: 1, b: 1 });
  return axes;
}
