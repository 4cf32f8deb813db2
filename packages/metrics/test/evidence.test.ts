import { isVillaError, RandomState } from "@villa/data";
import { expect, test } from "vitest";
import { auroc, retrievalMetrics, sampleMeasure, topKAccuracy } from "../src/index.ts";

const random = new RandomState(4);
const every = (n: number) => Int32Array.from({ length: n }, (_, i) => i);

test("on all items the numbers are those of the measures themselves", async () => {
  const [rows, labelCount, dimension] = [40, 3, 2];
  const regions = Float32Array.from({ length: rows * dimension }, () => random.randint(-2, 3));
  const attributes = Float32Array.from({ length: labelCount * dimension }, () => random.randint(-1, 2));
  const labels = Uint8Array.from({ length: rows * labelCount }, () => random.randint(0, 2));
  const scores = Float32Array.from({ length: rows * labelCount }, (_, i) => {
    const [r, a] = [Math.floor(i / labelCount), i % labelCount];
    return regions[2 * r]! * attributes[2 * a]! + regions[2 * r + 1]! * attributes[2 * a + 1]!;
  });
  const item = every(rows);
  const numbers = sampleMeasure({
    items: rows,
    means: {},
    rankings: [
      {
        measures: {
          auroc: { kind: "auroc" },
          rPrecision: { kind: "r-precision" },
          precision: { kind: "precision", k: 5 },
          recall: { kind: "recall", k: 5 },
        },
        item,
        labelCount,
        scores,
        labels,
      },
    ],
  })(every(rows));
  expect(numbers.auroc).toBeCloseTo(auroc({ scores, labels, labelCount }).macro!, 12);
  const { perAttribute, textToRegion } = await retrievalMetrics({ regions, attributes, labels, dimension });
  const mean = perAttribute.reduce((sum, each) => sum + each!.rPrecision, 0) / labelCount;
  expect(numbers.rPrecision).toBeCloseTo(mean, 12);
  expect(numbers.precision).toBeCloseTo(textToRegion.at[1]!.precision, 12);
  expect(numbers.recall).toBeCloseTo(textToRegion.at[1]!.recall, 12);
});

test("strata count alike, and a sample counts an item as often as it is drawn", () => {
  const scores = [2, 1, 0, 1, 2, 2, 5, 0];
  const labels = [0, 0, 1, 0];
  const { at, hits } = topKAccuracy({ scores, labels, classes: 2, ks: [1] });
  const item = [0, 0, 1, 2];
  const measure = sampleMeasure({
    items: 3,
    means: { accuracy: { item, value: hits }, perClass: { item, value: hits, stratum: labels } },
  });
  const whole = measure([0, 1, 2]);
  expect(whole.accuracy).toBe(at[0]!.accuracy);
  expect(whole.perClass).toBe(at[0]!.meanPerClass);
  // Item 0 twice, item 1 once: hits 1, 0, 1, 0 and a tie of one half.
  expect(measure([0, 0, 1]).accuracy).toBeCloseTo((1 + 0 + 1 + 0 + 0.5) / 5, 12);
  expect(measure([1, 1]).perClass).toBe(0.5);
});

test("rows drawn twice are rows written twice", () => {
  const scores = [0.9, 0.2, 0.5, 0.5, 0.1];
  const labels = [1, 0, 1, 0, 1];
  const measure = (kind: "auroc" | "r-precision", item: number[], items: number) =>
    sampleMeasure({ items, means: {}, rankings: [{ measures: { x: { kind } }, item, labelCount: 1, scores, labels }] });
  const sample = [0, 0, 1, 2, 2, 2, 3, 4];
  for (const kind of ["auroc", "r-precision"] as const) {
    const drawn = measure(kind, [0, 1, 2, 3, 4], 5)(sample).x!;
    const written = sampleMeasure({
      items: sample.length,
      means: {},
      rankings: [
        {
          measures: { x: { kind } },
          item: every(8),
          labelCount: 1,
          scores: sample.map((i) => scores[i]!),
          labels: sample.map((i) => labels[i]!),
        },
      ],
    })(every(8)).x!;
    expect(drawn).toBeCloseTo(written, 12);
  }
});

test("what a sample does not have is NaN; columns that do not fit are refused", () => {
  const measure = sampleMeasure({ items: 2, means: { a: { item: [0], value: [1] } } });
  expect(measure([0]).a).toBe(1);
  expect(measure([1]).a).toBeNaN();
  const code = (run: () => unknown) => {
    try {
      run();
      return "none";
    } catch (error) {
      return isVillaError(error) ? error.code : "other";
    }
  };
  expect(code(() => sampleMeasure({ items: 1, means: { a: { item: [0, 0], value: [1] } } }))).toBe("Mismatch");
  expect(code(() => sampleMeasure({ items: 1, means: { a: { item: [1], value: [1] } } }))).toBe("Mismatch");
});
