import { isVillaError, type ProgressUpdate } from "@villa/data";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chooseAttributes, type DocMnistOptions, generateDocMnist, streamDocMnist } from "../src/index.ts";
import { namedDigits } from "./golden-dataset.ts";

const digits = { train: namedDigits("generate", 200) };
const options: DocMnistOptions = {
  digits,
  attributeBudget: 400,
  valAttributeBudget: 100,
  targetSampleComplexity: 16,
  seed: 7,
};
const codeOf = (change: Partial<DocMnistOptions>): unknown => {
  try {
    streamDocMnist({ ...options, ...change });
  } catch (error) {
    return isVillaError(error) ? error.code : error;
  }
  return "accepted";
};

describe("generateDocMnist", () => {
  it("keeps budgets and complexities, and says what is in the image", () => {
    const arbitrary = fc.record({
      seed: fc.integer({ min: 0, max: 0xffffffff }),
      targetSampleComplexity: fc.integer({ min: 4, max: 40 }),
      attributeBudget: fc.integer({ min: 40, max: 300 }),
      gridSize: fc.integer({ min: 1, max: 5 }),
    });
    fc.assert(
      fc.property(arbitrary, (change) => {
        const { train } = generateDocMnist({ ...options, ...change });
        const total = train.reduce((sum, sample) => sum + sample.sampleComplexity, 0);
        expect(total).toBeLessThanOrEqual(change.attributeBudget);
        for (const { sampleComplexity, regions, width, image, text, sentences } of train) {
          expect(sampleComplexity).toBeLessThanOrEqual(change.targetSampleComplexity);
          expect(sampleComplexity).toBe(regions.reduce((sum, region) => sum + region.attributes.length, 0));
          expect(new Set(regions.map((region) => region.box.join())).size).toBe(regions.length);
          expect([width, image.length]).toEqual([28 * change.gridSize, 3 * (28 * change.gridSize) ** 2]);
          expect(text).toBe(sentences.join(" . "));
          expect(new Set(sentences).size).toBe(sentences.length);
          for (const attribute of regions.flatMap((region) => region.attributes)) {
            expect(text).toContain(` ${attribute}`);
          }
        }
      }),
      { numRuns: 25 },
    );
  });

  it("draws val from other digits than train, and test from the test digits or else those of val", () => {
    // Every digit picture is one grey value below the colour threshold: the value tells the pictures apart.
    const grey = (first: number) => ({
      images: Uint8Array.from({ length: 50 * 784 }, (_, i) => first + Math.floor(i / 784)),
      labels: Uint8Array.from({ length: 50 }, (_, i) => i % 10),
    });
    const attributes = chooseAttributes({ shapes: ["none"] });
    const valuesOf = (testDigits?: DocMnistOptions["digits"]["test"]) => {
      const source = { train: grey(1), test: testDigits };
      const dataset = generateDocMnist({ ...options, digits: source, attributes, testAttributeBudget: 200 });
      const values = (split: "train" | "val" | "test") =>
        new Set(dataset[split].flatMap(({ image }) => [...new Set(image)]));
      return { train: values("train"), val: values("val"), test: values("test") };
    };
    const without = valuesOf();
    for (const value of without.val) if (value !== 0) expect(without.train.has(value)).toBe(false);
    expect(without.test.size).toBeGreaterThan(3);
    for (const value of without.test) expect(value === 0 || !without.train.has(value)).toBe(true);
    for (const value of valuesOf(grey(61)).test) expect(value === 0 || value > 60).toBe(true);
  });

  it("does not change train and val when a test split is added", () => {
    const { train, val } = generateDocMnist(options);
    const more = generateDocMnist({ ...options, testAttributeBudget: 100 });
    for (const split of ["train", "val"] as const) {
      const [before, after] = [{ train, val }[split], more[split]];
      expect(after.map((sample) => sample.text)).toEqual(before.map((sample) => sample.text));
      expect(after.every(({ image }, i) => Buffer.compare(image, before[i]!.image) === 0)).toBe(true);
    }
    expect(more.test[0]!.id).toBe(train.length + val.length);
  });

  it("paints each streamed image into fresh memory, or the same one when asked to", () => {
    const fresh = [...streamDocMnist(options)].map((sample) => sample.image);
    let i = 0;
    const shared = new Set<ArrayBufferLike>();
    for (const { image } of streamDocMnist({ ...options, reuseImage: true })) {
      expect(Buffer.compare(image, fresh[i++]!)).toBe(0);
      shared.add(image.buffer);
    }
    expect(shared.size).toBe(1);
    expect(new Set(fresh.map((image) => image.buffer)).size).toBe(fresh.length);
  });

  it("tells about progress, and stops when asked to", () => {
    const updates: ProgressUpdate[] = [];
    const abort = new AbortController();
    const stream = streamDocMnist({ ...options, onProgress: (update) => updates.push(update), signal: abort.signal });
    stream.next();
    stream.next();
    expect(updates).toMatchObject([{ total: 400, unit: "attributes" }]);
    abort.abort();
    expect(() => stream.next()).toThrow(expect.objectContaining({ code: "Aborted" }));
  });

  it.each<[string, Partial<DocMnistOptions>, string]>([
    ["budget of zero", { attributeBudget: 0 }, "InvalidArgument"],
    ["negative budget", { attributeBudget: -5 }, "InvalidArgument"],
    ["negative val budget", { valAttributeBudget: -1 }, "InvalidArgument"],
    ["complexity of 3", { targetSampleComplexity: 3 }, "InvalidArgument"],
    ["complexity that is no number", { targetSampleComplexity: Number.NaN }, "InvalidArgument"],
    ["grid of 0", { gridSize: 0 }, "InvalidArgument"],
    ["grid of 10", { gridSize: 10 }, "InvalidArgument"],
    ["seed of 2^32", { seed: 2 ** 32 }, "InvalidArgument"],
    ["no digits", { digits: { train: { images: new Uint8Array(0), labels: new Uint8Array(0) } } }, "Mismatch"],
    ["labels of other pictures", { digits: { train: { ...digits.train, labels: new Uint8Array(3) } } }, "Mismatch"],
    [
      "digits without sevens",
      { digits: { train: { ...digits.train, labels: new Uint8Array(200) } } },
      "InvalidArgument",
    ],
  ])("answers a %s at the call", (_, change, code) => {
    expect(codeOf(change)).toBe(code);
  });
});
