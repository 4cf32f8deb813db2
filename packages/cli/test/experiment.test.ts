import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isVillaError } from "@villa/data";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  complexityExperiment,
  complexityProtocol,
  detectionExperiment,
  type ExperimentProtocol,
  summarize,
} from "../src/experiment/protocol.ts";
import { runExperiment } from "../src/experiment/run.ts";

const protocol: ExperimentProtocol = {
  ...complexityProtocol,
  complexities: [6, 12],
  seeds: [1],
  attributeBudget: 240,
  valAttributeBudget: 60,
  test: { seed: 23, attributeBudget: 100, complexity: 12 },
  glyphs: 500,
  stage1: { dimension: 32, epochs: 1, batchSize: 8, learningRate: 1e-3 },
  stage2: { ...complexityProtocol.stage2, width: 2, dimension: 16, steps: 2, stepsPerEpoch: 1, pairsPerStep: 12 },
};

let out = "";
const run = (changed: Partial<ExperimentProtocol> = {}) =>
  runExperiment(complexityExperiment, { out, digits: "glyphs", protocol: { ...protocol, ...changed }, jobs: 1 });

beforeAll(async () => {
  out = await mkdtemp(join(tmpdir(), "villa-complexity-"));
});
afterAll(() => rm(out, { recursive: true, force: true }));

test("every mode is trained with the same number of pairs a step, judged, and drawn", async () => {
  const { summary, cells, figure, json } = await run();
  expect(summary.map(({ complexity }) => complexity)).toEqual([6, 12]);
  for (const { models, averageComplexity, images } of cells) {
    expect(models.map(({ pairs }) => pairs)).toEqual(["image", "mapping", "oracle"]);
    expect(averageComplexity * images).toBeGreaterThan(200);
    for (const { numbers, trainingPairs, imagesPerStep } of models) {
      expect(Object.keys(numbers)).toEqual(["textToRegion", "regionToText"]);
      for (const value of Object.values(numbers)) expect(value > 0 && value < 1).toBe(true);
      expect(Math.abs((trainingPairs / images) * imagesPerStep - 12)).toBeLessThan(trainingPairs / images);
    }
  }
  const svg = await readFile(figure, "utf8");
  expect(svg).toMatch(/^<svg[^>]*xmlns/);
  expect(svg).toContain("ViLLA");
  expect(svg).not.toMatch(/NaN|undefined/);
  expect(JSON.parse(await readFile(json, "utf8")).cells).toEqual(cells);
});

test("a second call computes only what is missing, and another protocol is refused", async () => {
  const path = join(out, "cells/complexity-6-seed-1.json");
  const made = (await stat(path)).mtimeMs;
  await rm(join(out, "cells/complexity-12-seed-1.json"));
  const { cells } = await run();
  expect(cells).toHaveLength(2);
  expect((await stat(path)).mtimeMs).toBe(made);
  const error = await run({ attributeBudget: 300 }).catch((thrown: unknown) => thrown);
  expect(isVillaError(error, "Mismatch")).toBe(true);
});

test("the same models as detectors: AP50 on a grid and on the true boxes", async () => {
  const { detection } = detectionExperiment.protocol;
  const { cells, figure } = await runExperiment(detectionExperiment, {
    out: join(out, "detection"),
    digits: "glyphs",
    protocol: { ...protocol, complexities: [6], detection },
    jobs: 1,
  });
  for (const { numbers } of cells[0]!.models) {
    expect(Object.keys(numbers)).toEqual(["grid", "truth"]);
    // Models that know nothing yet: on the true boxes about one in ten is right, on a grid fewer.
    expect(numbers.truth! > 0 && numbers.truth! < 0.6).toBe(true);
    expect(numbers.grid! >= 0 && numbers.grid! < numbers.truth!).toBe(true);
  }
  expect(await readFile(figure, "utf8")).toContain("AP50, %");
}, 300_000);

test("means and sample deviations over seeds", () => {
  const cell = (seed: number, value: number) => ({
    complexity: 6,
    seed,
    averageComplexity: 5,
    images: 10,
    mappingF1: 0.9,
    models: [
      {
        pairs: "image" as const,
        trainingPairs: 10,
        imagesPerStep: 2,
        bestEpoch: 1,
        seconds: 1,
        numbers: { textToRegion: value, regionToText: 2 * value },
      },
    ],
  });
  const [row] = summarize([cell(1, 0.2), cell(2, 0.4)]);
  expect(row!.modes[0]!.numbers.textToRegion!.mean).toBeCloseTo(0.3, 12);
  expect(row!.modes[0]!.numbers.regionToText!.deviation).toBeCloseTo(Math.sqrt(0.08), 12);
});
