import { mappingMetrics } from "@villa/metrics";
import { unit } from "@villa/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type AttributeScores,
  assignRegions,
  chooseEpsilon,
  chooseEpsilonPerAttribute,
  epsilonSweep,
  mappingReport,
  type ScoredSplit,
} from "../src/index.ts";
import { shardOf } from "../src/train/parallel.ts";

/** Scores that know something of the truth. */
function split(salt: string, images = 25, attributes = 4): ScoredSplit {
  const counts = Int32Array.from(unit(`${salt}:counts`, images), (x) => 1 + Math.floor((x + 1) * 2));
  const regions = counts.reduce((a, b) => a + b);
  const truth = Uint8Array.from(unit(`${salt}:truth`, regions * attributes), (x) => (x > 0.2 ? 1 : 0));
  const noise = unit(`${salt}:noise`, regions * attributes);
  const scores = Array.from({ length: attributes }, (_, a): AttributeScores => {
    const values: number[] = [];
    const kept: number[] = [];
    let row = 0;
    counts.forEach((count, image) => {
      const own = Array.from({ length: count }, (_, r) => (row + r) * attributes + a);
      row += count;
      if (!own.some((i) => truth[i])) return; // an image mentions what its regions have
      kept.push(image);
      values.push(...own.map((i) => 0.4 * truth[i]! + 0.3 * noise[i]!));
    });
    return { images: Int32Array.from(kept), values: Float32Array.from(values) };
  });
  return { scores, counts, truth };
}

function measured({ scores, counts, truth }: ScoredSplit, epsilon: number | number[]) {
  const attributes = scores.length;
  let row = 0;
  const trueOnes = Array.from(counts, (count) =>
    Array.from({ length: count }, () => {
      const own = [...Array(attributes).keys()].filter((a) => truth[row * attributes + a]);
      row++;
      return own;
    }),
  );
  return mappingMetrics(assignRegions(scores, { counts, epsilon }), trueOnes);
}

test("the sweep equals assigning and measuring at each value", () => {
  const known = split("sweep");
  for (const { epsilon, ...metrics } of epsilonSweep(known, [0.01, 0.1, 0.2, 0.5, 2])) {
    expect(metrics).toEqual(measured(known, epsilon));
  }
});

test("no epsilon beats the chosen one, and its quality is as told", () => {
  fc.assert(
    fc.property(fc.string(), (salt) => {
      const known = split(salt);
      const { epsilon, ...metrics } = chooseEpsilon(known);
      expect(metrics).toEqual(measured(known, epsilon));
      for (let other = 0.005; other < 1.2; other += 0.005)
        expect(measured(known, other).f1).toBeLessThanOrEqual(metrics.f1);
    }),
    { numRuns: 10 },
  );
});

test("no epsilons of single attributes beat the chosen ones together", () => {
  fc.assert(
    fc.property(fc.string(), (salt) => {
      const known = split(salt, 12, 3);
      const epsilons = chooseEpsilonPerAttribute(known, 0.2);
      const { f1 } = measured(known, epsilons);
      expect(f1).toBeGreaterThanOrEqual(chooseEpsilon(known).f1);
      const values = Array.from({ length: 24 }, (_, i) => 0.03 * (i + 1));
      for (const a of [0, 1, 2]) {
        for (const value of values) {
          expect(measured(known, epsilons.with(a, value)).f1).toBeLessThanOrEqual(f1);
        }
      }
    }),
    { numRuns: 10 },
  );
});

test("an attribute that no region truly has keeps the usual epsilon", () => {
  const known = split("absent");
  const truth = known.truth.map((value, i) => (i % 4 === 2 ? 0 : value));
  expect(chooseEpsilonPerAttribute({ ...known, truth }, 0.2)[2]).toBe(0.2);
});

test("larger epsilons recall more", () => {
  const recalls = epsilonSweep(split("recall"), [0.05, 0.1, 0.2, 0.4, 0.8]).map(({ recall }) => recall);
  expect(recalls).toEqual([...recalls].sort((a, b) => a - b));
});

test("without truth there is nothing to choose by", () => {
  const known = split("none");
  expect(() => chooseEpsilon({ ...known, truth: known.truth.map(() => 0) })).toThrow(
    "no region of this split has a true attribute",
  );
});

test("where no image mentions an attribute, the usual epsilon is kept", () => {
  const known = split("silent");
  const scores = known.scores.map(() => ({ images: new Int32Array(0), values: new Float32Array(0) }));
  expect(chooseEpsilon({ ...known, scores })).toEqual({ epsilon: 0.2, precision: 0, recall: 0, f1: 0 });
});

test("the report adds up", () => {
  const known = split("report");
  const assigned = assignRegions(known.scores, { counts: known.counts, epsilon: 0.2 });
  const report = mappingReport(known, assigned, { attributes: ["a", "b", "c", "d"], epsilon: 0.2, sweep: [0.2] });
  const { precision, recall, f1 } = measured(known, 0.2);
  expect(report).toMatchObject({ precision, recall, f1, sweep: [{ epsilon: 0.2, f1 }] });
  expect(report.attributes.map(({ correct }) => correct)).toEqual(report.confusion!.map((row, a) => row[a]));
});

test("shards cover every attribute once", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 1, max: 9 }), (total, count) => {
      const all = Array.from({ length: count }, (_, index) => shardOf(total, { index, count })).flat();
      expect(all).toEqual([...Array(total).keys()]);
    }),
  );
});
