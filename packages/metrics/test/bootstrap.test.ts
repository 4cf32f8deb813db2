import { isVillaError } from "@villa/data";
import { expect, test } from "vitest";
import { bootstrapSamples } from "../src/bootstrap/resample.ts";
import { bootstrap, pairedBootstrap } from "../src/index.ts";
import { mean } from "./rankings.ts";

const over = (values: readonly number[]) => (sample: Int32Array) => ({
  mean: mean(Array.from(sample, (i) => values[i]!)),
});

test("groups are drawn whole", () => {
  const groups = ["a", "b", "a", "c"];
  for (const sample of bootstrapSamples({ items: 4, groups, resamples: 50 })) {
    const times = [0, 1, 2, 3].map((item) => sample.filter((each) => each === item).length);
    expect(times[0]).toBe(times[2]);
    expect(times[0]! + times[1]! + times[3]!).toBe(3);
  }
});

test("an interval covers the truth about as often as it says", async () => {
  // 200 data sets of 40 coin flips; the percentile interval of a mean is known to cover a little less than its level.
  let covered = 0;
  for (let seed = 0; seed < 200; seed++) {
    const [first] = bootstrapSamples({ items: 1000, resamples: 1, seed: 1000 + seed });
    const flips = Array.from(first!.subarray(0, 40), (i) => i % 2);
    const { mean: interval } = await bootstrap({ items: 40, measure: over(flips), resamples: 200, seed });
    if (interval!.low <= 0.5 && interval!.high >= 0.5) covered++;
  }
  expect(covered / 200).toBeGreaterThan(0.88);
  expect(covered / 200).toBeLessThan(0.99);
});

test("samples without a number are left out and counted", async () => {
  const measure = (sample: Int32Array) => ({ first: sample.includes(0) ? 1 : Number.NaN, never: Number.NaN });
  const { first, never } = await bootstrap({ items: 2, measure, resamples: 100, seed: 3 });
  expect(first).toMatchObject({ value: 1, low: 1, high: 1 });
  expect(first!.undefinedResamples).toBeGreaterThan(5);
  expect(never).toEqual({ value: Number.NaN, low: Number.NaN, high: Number.NaN, undefinedResamples: 100 });
});

test("pairs see the same samples", async () => {
  const a = [0, 1, 0, 1, 1, 0, 1, 0];
  const better = a.map((value) => value + 0.1);
  const { mean: difference } = await pairedBootstrap({ items: 8, measureA: over(a), measureB: over(better) });
  expect(difference!.difference).toEqual({
    value: expect.closeTo(0.1, 12),
    low: expect.closeTo(0.1, 12),
    high: expect.closeTo(0.1, 12),
    undefinedResamples: 0,
  });
  expect(difference!.pValue).toBeCloseTo(2 / 1001, 12);
  const { mean: none } = await pairedBootstrap({ items: 8, measureA: over(a), measureB: over(a) });
  expect(none).toMatchObject({ pValue: 1, difference: { value: 0, low: 0, high: 0 } });
});

test("progress, interruption, and what cannot be sampled", async () => {
  const seen: number[] = [];
  await bootstrap({ items: 1, measure: over([1]), resamples: 3, onProgress: ({ done }) => seen.push(done) });
  expect(seen).toEqual([1, 2, 3]);
  const refused = (code: "Aborted" | "InvalidArgument" | "Mismatch", options: object) =>
    expect(bootstrap({ items: 2, measure: over([1, 2]), ...options })).rejects.toSatisfy((e) => isVillaError(e, code));
  await refused("Aborted", { signal: AbortSignal.abort() });
  await refused("InvalidArgument", { items: 0 });
  await refused("InvalidArgument", { resamples: 0.5 });
  await refused("InvalidArgument", { level: 95 });
  await refused("Mismatch", { groups: ["a"] });
});

test("a centred interval is the percentiles', moved so that their mean is the number", async () => {
  const values = [1, 2, 3, 10, 50];
  // The largest value of a sample is never above that of all: resampling makes it smaller.
  const measure = (sample: Int32Array) => ({ largest: Math.max(...Array.from(sample, (i) => values[i]!)) });
  const options = { items: 5, measure, resamples: 200, seed: 3 };
  const { largest: plain } = await bootstrap(options);
  const { largest: centred } = await bootstrap({ ...options, interval: "centred" });
  const resampled = Array.from(bootstrapSamples(options), (sample) => measure(sample).largest);
  const bias = resampled.reduce((sum, each) => sum + each, 0) / resampled.length - 50;
  expect(bias).toBeLessThan(-1);
  expect(centred).toEqual({ ...plain, low: plain!.low - bias, high: plain!.high - bias });
});
