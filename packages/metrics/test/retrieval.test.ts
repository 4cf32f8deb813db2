import { isVillaError } from "@villa/data";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Rows, retrievalMetrics } from "../src/index.ts";

/** Every order of the indices that sorts the scores descending. */
function tiedOrders(scores: readonly number[]): number[][] {
  const permute = (left: number[]): number[][] =>
    left.length === 0
      ? [[]]
      : left
          .filter((i) => left.every((j) => scores[j]! <= scores[i]!))
          .flatMap((i) => permute(left.filter((j) => j !== i)).map((rest) => [i, ...rest]));
  return permute(scores.map((_, i) => i));
}

/** Precision among the first k, averaged over all orders of ties: the definition, spelled out. */
function naivePrecision(scores: readonly number[], relevant: readonly number[], k: number): number {
  const orders = tiedOrders(scores);
  const precision = (order: number[]) => order.slice(0, k).reduce((sum, i) => sum + relevant[i]!, 0) / k;
  return orders.reduce((sum, order) => sum + precision(order), 0) / orders.length;
}

const mean = (values: number[]) => (values.length ? values.reduce((a, b) => a + b, 0) / values.length : 0);

describe("region-text retrieval", () => {
  test("equals the naive definition on random cases with ties", async () => {
    const sizes = fc.record({ regions: fc.integer({ min: 1, max: 6 }), attributes: fc.integer({ min: 1, max: 5 }) });
    const cases = sizes.chain(({ regions, attributes }) =>
      fc.record({
        regions: fc.array(fc.integer({ min: -1, max: 1 }), { minLength: regions * 2, maxLength: regions * 2 }),
        attributes: fc.array(fc.integer({ min: -1, max: 1 }), { minLength: attributes * 2, maxLength: attributes * 2 }),
        labels: fc.array(fc.integer({ min: 0, max: 1 }), {
          minLength: regions * attributes,
          maxLength: regions * attributes,
        }),
      }),
    );
    await fc.assert(
      fc.asyncProperty(cases, async ({ regions, attributes, labels }) => {
        const R = regions.length / 2;
        const A = attributes.length / 2;
        const score = (r: number, a: number) =>
          regions[2 * r]! * attributes[2 * a]! + regions[2 * r + 1]! * attributes[2 * a + 1]!;
        const indices = (n: number) => Array.from({ length: n }, (_, i) => i);
        const byAttribute = indices(A).map((a) => ({
          scores: indices(R).map((r) => score(r, a)),
          relevant: indices(R).map((r) => labels[r * A + a]!),
        }));
        const byRegion = indices(R).map((r) => ({
          scores: indices(A).map((a) => score(r, a)),
          relevant: indices(A).map((a) => labels[r * A + a]!),
        }));
        const metrics = await retrievalMetrics({
          regions: Float32Array.from(regions),
          attributes: Float32Array.from(attributes),
          labels: Uint8Array.from(labels),
          dimension: 2,
          ks: [1, 2],
        });
        for (const [got, queries] of [
          [metrics.textToRegion, byAttribute],
          [metrics.regionToText, byRegion],
        ] as const) {
          const answerable = queries.filter(({ relevant }) => relevant.some(Boolean));
          const rPrecision = answerable.map(({ scores, relevant }) =>
            naivePrecision(scores, relevant, relevant.filter(Boolean).length),
          );
          expect(got.queries).toBe(answerable.length);
          expect(got.rPrecision).toBeCloseTo(mean(rPrecision), 10);
          expect(got.at[0]!.precision).toBeCloseTo(
            mean(answerable.map(({ scores, relevant }) => naivePrecision(scores, relevant, 1))),
            10,
          );
        }
      }),
      { numRuns: 200 },
    );
  });

  test("a perfect embedding scores 1, the order of rows does not matter", async () => {
    const metrics = await retrievalMetrics({
      regions: Float32Array.of(1, 0, 0, 1, 1, 0),
      attributes: Float32Array.of(1, 0, 0, 1),
      labels: Uint8Array.of(1, 0, 0, 1, 1, 0),
      dimension: 2,
    });
    expect(metrics.textToRegion.rPrecision).toBe(1);
    expect(metrics.regionToText.rPrecision).toBe(1);
    expect(metrics.perAttribute).toEqual([
      { regions: 2, rPrecision: 1 },
      { regions: 1, rPrecision: 1 },
    ]);
  });

  test("scores may come from elsewhere, and are asked for in blocks that fit", async () => {
    const asked: [Rows, Rows][] = [];
    const scores = (attributes: Rows, regions: Rows) => {
      asked.push([attributes, regions]);
      return new Float32Array(attributes.count * regions.count).map((_, i) => (i % 2 === 0 ? 1 : 0));
    };
    const labels = Uint8Array.of(1, 0, 0, 1);
    const embeddings = { regions: new Float32Array(2), attributes: new Float32Array(2), dimension: 1 };
    const { textToRegion } = await retrievalMetrics({ ...embeddings, labels, scores });
    expect(textToRegion.rPrecision).toBe(0.5); // region 0 wins for both attributes
    expect(asked).toEqual([
      [
        { start: 0, count: 2 },
        { start: 0, count: 2 },
      ],
    ]);
  });

  test("refuses sizes that do not fit and embeddings that are not finite", async () => {
    const input = {
      regions: Float32Array.of(1, 0),
      attributes: Float32Array.of(1, 0),
      labels: Uint8Array.of(1),
      dimension: 2,
    };
    const code = (change: object) =>
      retrievalMetrics({ ...input, ...change }).then(
        () => "none",
        (error) => (isVillaError(error) ? error.code : "other"),
      );
    expect(await code({})).toBe("none");
    expect(await code({ labels: Uint8Array.of(1, 0) })).toBe("Mismatch");
    expect(await code({ dimension: 3 })).toBe("Mismatch");
    expect(await code({ regions: Float32Array.of(Number.NaN, 0) })).toBe("NotFinite");
  });
});
