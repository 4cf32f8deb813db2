import fc from "fast-check";
import { expect, test } from "vitest";
import { attributeLoss } from "../src/model/loss.ts";

const cosine = fc.float({ min: -1, max: 1, noNaN: true });
const problem = fc
  .array(
    fc.record({ regions: fc.array(cosine, { minLength: 1, maxLength: 4 }), label: fc.integer({ min: 0, max: 1 }) }),
    {
      minLength: 1,
      maxLength: 8,
    },
  )
  .map((images) => {
    const offsets = new Int32Array(images.length + 1);
    images.forEach(({ regions }, i) => {
      offsets[i + 1] = offsets[i]! + regions.length;
    });
    return {
      values: Float32Array.from(images.flatMap(({ regions }) => regions)),
      offsets,
      labels: Uint8Array.from(images, ({ label }) => label),
    };
  });

/** The formula as the paper and the reference write it. */
function literal(
  values: ArrayLike<number>,
  offsets: Int32Array,
  labels: Uint8Array,
  positives: number,
  temperature: number,
) {
  const best = Array.from(labels, (_, i) => {
    let most = Number.NEGATIVE_INFINITY;
    for (let r = offsets[i]!; r < offsets[i + 1]!; r++) most = Math.max(most, values[r]! / temperature);
    return most;
  });
  const others = best.reduce((sum, s, j) => sum + Math.exp(s * (1 - labels[j]!)), 0);
  return best.reduce((sum, s, i) => sum - labels[i]! * Math.log(Math.exp(s) / (Math.exp(s) + others)), 0) / positives;
}

test("loss equals the formula and gradient its slope", () => {
  fc.assert(
    fc.property(problem, fc.constantFrom(0.07, 0.5), ({ values, offsets, labels }, temperature) => {
      const cosines = { values, offset: 0, stride: 1 };
      const { loss, bestRows, gradient } = attributeLoss(cosines, offsets, labels, 7, temperature);
      expect(loss).toBeCloseTo(literal(values, offsets, labels, 7, temperature), 9);
      bestRows.forEach((row, i) => {
        const slope = (sign: number) => {
          const moved = Float64Array.from(values);
          // The best region wins by a margin here, so that the slope exists.
          for (let r = offsets[i]!; r < offsets[i + 1]!; r++) moved[r]! -= r === row ? 0 : 0.1;
          moved[row]! += sign * 1e-5;
          return literal(moved, offsets, labels, 7, temperature);
        };
        expect(gradient[i]).toBeCloseTo((slope(1) - slope(-1)) / 2e-5, 4);
      });
    }),
  );
});

test("an image of which nothing is known is no example: neither its regions nor their scores matter", () => {
  const loss = (unknown: number) => {
    const cosines = { values: Float32Array.of(0.5, unknown, 0.1), offset: 0, stride: 1 };
    return attributeLoss(cosines, Int32Array.of(0, 1, 2, 3), Uint8Array.of(1, 2, 0), 1, 0.5);
  };
  expect(loss(0.9).gradient[1]).toBe(0);
  expect(loss(0.9).gradient[2]).not.toBe(0);
  expect(loss(0.9).loss).toBeCloseTo(loss(-0.9).loss, 12);
});

test("a temperature that would overflow e^S gives finite numbers", () => {
  const cosines = { values: Float32Array.of(1, -1, 0.5), offset: 0, stride: 1 };
  const { loss, gradient } = attributeLoss(cosines, Int32Array.of(0, 1, 2, 3), Uint8Array.of(0, 1, 1), 2, 1e-4);
  expect(loss).toBeCloseTo((20000 + 5000) / 2, 6);
  expect([...gradient].every(Number.isFinite)).toBe(true);
});

test("an attribute that no image mentions costs nothing", () => {
  const cosines = { values: Float32Array.of(0.3, 0.4), offset: 0, stride: 1 };
  expect(attributeLoss(cosines, Int32Array.of(0, 1, 2), Uint8Array.of(0, 0), 5, 0.07)).toMatchObject({
    loss: 0,
    gradient: Float64Array.of(0, 0),
  });
});
