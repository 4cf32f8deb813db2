import { isVillaError, type VillaError } from "@villa/data";
import { expectAllClose, tensorValues, unit } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { mapRegions, trainMapping } from "../src/index.ts";
import type { HeadState } from "../src/model/head-state.ts";
import { type TrainHeadsOptions, trainHeads } from "../src/train/train-heads.ts";
import { trainOptions } from "../src/train/train-options.ts";

const d = 8;
const names = ["a", "b", "c", "d", "e"];
const attributes = names.length;

/** A small random problem. */
function problem(salt = "p", images = 12) {
  const counts = Int32Array.from(unit(`${salt}:counts`, images), (x) => 1 + Math.floor((x + 1) * 1.5));
  const regions = tensorValues(`${salt}:regions`, [counts.reduce((a, b) => a + b), d]);
  const labels = Uint8Array.from(unit(`${salt}:labels`, images * attributes), (x) => (x > 0.1 ? 1 : 0));
  const embeddings = tensorValues(`${salt}:embeddings`, [attributes, d]);
  for (let a = 0; a < attributes; a++) {
    const row = embeddings.subarray(a * d, (a + 1) * d);
    const norm = Math.hypot(...row);
    row.forEach((_, i) => {
      row[i]! /= norm;
    });
  }
  return { data: { regions, counts, labels }, attributeEmbeddings: embeddings };
}

const base = (): TrainHeadsOptions => ({
  ...problem(),
  heads: [0, 1, 2, 3, 4],
  dimension: d,
  oneProj: false,
  adapter: false,
  train: trainOptions({ epochs: 3, batchSize: 4, learningRate: 0.01 }),
});

describe.each(testBackends())("training on $name", (backend) => {
  beforeAll(() => backend.activate());

  test("any partition of the attributes gives the same losses and weights", async () => {
    const whole = await trainHeads({ ...base(), headsPerProduct: 1 });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 5, maxLength: 5 }), async (groupOf) => {
        for (const group of [0, 1, 2]) {
          const heads = base().heads.filter((head) => groupOf[head] === group);
          const results = await trainHeads({ ...base(), heads, headsPerProduct: 1 });
          expect(results).toEqual(heads.map((head) => whole[head]));
        }
      }),
      { numRuns: 5 },
    );
  });

  test("stacking heads changes nothing beyond rounding", async () => {
    const single = await trainHeads({ ...base(), headsPerProduct: 1 });
    const stacked = await trainHeads({ ...base(), headsPerProduct: 3 });
    for (const [head, { losses, weights }] of stacked.entries()) {
      expectAllClose(losses, single[head]!.losses, { rtol: 1e-5 });
      expectAllClose(weights!["2.weight"], single[head]!.weights!["2.weight"], { rtol: 1e-4, atol: 1e-5 });
    }
  });

  test.each([false, true])("resuming after any epoch equals never stopping (early stopping %s)", async (early) => {
    const validation = early ? { data: problem("v", 9).data, epsilon: 0.2 } : undefined;
    const earlyStopping = early ? ({ metric: "loss", patience: 1 } as const) : undefined;
    const options = { ...base(), validation, earlyStopping };
    const whole = await trainHeads({ ...options, headsPerProduct: 1 });
    // Each head stops at another epoch, as after a kill.
    const saved = new Map<number, HeadState>();
    for (const head of options.heads) {
      const train = { ...options.train, epochs: head % 4 };
      const save = async (state: HeadState) => void saved.set(head, structuredClone(state));
      await trainHeads({ ...options, heads: [head], train, save });
    }
    const resumed = await trainHeads({ ...options, load: async (head) => saved.get(head), headsPerProduct: 2 });
    const alone = await trainHeads({ ...options, load: async (head) => saved.get(head), headsPerProduct: 1 });
    expect(alone).toEqual(whole);
    expect(resumed.map(({ bestEpoch }) => bestEpoch)).toEqual(whole.map(({ bestEpoch }) => bestEpoch));
  });

  test.each([
    { oneProj: false, adapter: false },
    { oneProj: true, adapter: false },
    { oneProj: false, adapter: true },
  ])("training lowers the loss and the model maps its data: %o", async (form) => {
    const { data, attributeEmbeddings } = problem();
    const model = await trainMapping({
      ...data,
      ...form,
      attributeEmbeddings,
      attributes: names,
      epochs: 12,
      batchSize: 6,
      learningRate: 0.01,
      validation: { data, epsilon: 0.2 },
    });
    const losses = model.history.map((epoch) => epoch.loss);
    expect(losses).toHaveLength(12);
    expect(losses.at(-1)).toBeLessThan(losses[0]!);
    expect(model.history[0]!.validation!.loss).toBeGreaterThan(0);
    const { assigned } = await mapRegions({ model, ...data, attributeEmbeddings });
    assigned.forEach((regions, image) => {
      const given = new Set(regions.flat());
      const mentioned = names.map((_, a) => a).filter((a) => data.labels[image * attributes + a]);
      expect([...given].sort()).toEqual(mentioned); // the best region always gets the attribute
    });
  });
});

test("the batch order depends on seed and epoch only, and the seed matters", async () => {
  const run = async (seed: number) => (await trainHeads({ ...base(), train: { ...base().train, seed } }))[0]!.losses;
  expect(await run(1)).toEqual(await run(1));
  expect(await run(1)).not.toEqual(await run(2));
});

test("an abort stops training with its own error", async () => {
  const controller = new AbortController();
  const training = trainHeads({ ...base(), signal: controller.signal, onStep: () => controller.abort() });
  await expect(training).rejects.toThrow("Training was stopped");
});

const bad: [string, (p: ReturnType<typeof problem>) => object, string, RegExp][] = [
  [
    "no images",
    () => ({ counts: new Int32Array(0), labels: new Uint8Array(0), regions: new Float32Array(0) }),
    "InvalidArgument",
    /no images/,
  ],
  [
    "an image without regions",
    (p) => ({ counts: Int32Array.from([0, ...p.data.counts.slice(1)]) }),
    "InvalidArgument",
    /Image 0 of the data has no regions/,
  ],
  [
    "NaN",
    (p) => ({ regions: p.data.regions.map((v, i) => (i === 9 ? Number.NaN : v)) }),
    "NotFinite",
    /Region 1 of the data holds NaN at position 1/,
  ],
  [
    "infinite attribute embedding",
    (p) => ({ attributeEmbeddings: p.attributeEmbeddings.map((v, i) => (i === 8 ? 1 / 0 : v)) }),
    "NotFinite",
    /attribute "b" holds Infinity/,
  ],
  [
    "other dimension",
    (p) => ({ attributeEmbeddings: new Float32Array(attributes * 4).fill(0.5), regions: p.data.regions }),
    "Mismatch",
    /have 8 dimensions but the attribute embeddings have 4/,
  ],
  ["labels of another size", () => ({ labels: new Uint8Array(3) }), "Mismatch", /have 3 entries/],
  [
    "batch larger than the split",
    () => ({ batchSize: 13 }),
    "InvalidArgument",
    /larger than the training split of 12 images/,
  ],
  ["batch of zero", () => ({ batchSize: 0 }), "InvalidArgument", /batchSize: expected at least 1/],
  ["negative temperature", () => ({ temperature: -1 }), "InvalidArgument", /temperature: expected at least/],
  ["NaN learning rate", () => ({ learningRate: Number.NaN }), "InvalidArgument", /learningRate: expected a number/],
];
test.each(bad)("refused: %s", async (_, change, code, sentence) => {
  const { data, attributeEmbeddings } = problem();
  const training = trainMapping({
    ...data,
    attributeEmbeddings,
    attributes: names,
    batchSize: 4,
    epochs: 1,
    ...change({ data, attributeEmbeddings }),
  });
  const error = await training.then(
    () => new Error("was accepted"),
    (caught: VillaError) => caught,
  );
  expect(error.message).toMatch(sentence);
  expect(isVillaError(error) && error.code).toBe(code);
});

test.each([0, -1, 3, Number.NaN])("epsilon %d is refused", async (epsilon) => {
  const { data, attributeEmbeddings } = problem();
  const model = await trainMapping({ ...data, attributeEmbeddings, attributes: names, batchSize: 4, epochs: 0 });
  await expect(mapRegions({ model, ...data, attributeEmbeddings, epsilon })).rejects.toThrow("epsilon must be");
});
