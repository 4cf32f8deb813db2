import { expect } from "vitest";

/** How golden files abbreviate a tensor. */
export interface Summary {
  readonly mean: number;
  readonly l2: number;
  readonly first8: readonly number[];
  readonly last4: readonly number[];
}

/** Fails unless |actual - expected| <= atol + rtol * |expected| for every element; names the worst one. */
export function expectAllClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { rtol = 1e-5, atol = 1e-6, label = "values" } = {},
): void {
  expect(actual.length, `${label}: length`).toBe(expected.length);
  let worst = 0;
  let worstIndex = -1;
  for (let i = 0; i < expected.length; i++) {
    const excess = Math.abs(actual[i]! - expected[i]!) / (atol + rtol * Math.abs(expected[i]!));
    if (!(excess <= worst)) {
      worst = excess;
      worstIndex = i;
      if (Number.isNaN(excess)) break;
    }
  }
  if (!(worst <= 1)) {
    expect.fail(
      `${label}[${worstIndex}]: got ${actual[worstIndex]}, expected ${expected[worstIndex]} (rtol ${rtol}, atol ${atol})`,
    );
  }
}

/** Cosine of two vectors of one length, for models whose numbers are rounded. */
export function cosineSimilarity(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += a[i]! * b[i]!;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
  }
  return ab / Math.sqrt(aa * bb);
}

/** Compares a whole tensor with its golden summary; `tolerance` is relative to the tensor's root mean square. */
export function expectSummary(values: ArrayLike<number>, summary: Summary, tolerance: number, label = "tensor"): void {
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < values.length; i++) {
    sum += values[i]!;
    squares += values[i]! ** 2;
  }
  const rms = Math.sqrt(squares / values.length);
  const close = { rtol: tolerance, atol: tolerance * rms };
  expectAllClose([sum / values.length], [summary.mean], { ...close, label: `${label}.mean` });
  expectAllClose([Math.sqrt(squares)], [summary.l2], { ...close, label: `${label}.l2` });
  const first = Array.from({ length: summary.first8.length }, (_, i) => values[i]!);
  const last = Array.from(
    { length: summary.last4.length },
    (_, i) => values[values.length - summary.last4.length + i]!,
  );
  expectAllClose(first, summary.first8, { ...close, label: `${label}.first` });
  expectAllClose(last, summary.last4, { ...close, label: `${label}.last` });
}
