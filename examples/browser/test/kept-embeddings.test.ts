import { afterEach, expect, test, vi } from "vitest";
import type { Dataset } from "../src/laboratory/dataset.ts";
import { digestOf } from "../src/laboratory/digest.ts";
import { isKept } from "../src/laboratory/embed.ts";
import { generateDataset } from "../src/laboratory/generate.ts";
import { canKeepEmbeddings } from "../src/laboratory/kept-embeddings.ts";

const settings = { attributeBudget: 80, valAttributeBudget: 20, targetSampleComplexity: 8 };
const dataset = generateDataset({ seed: 3, ...settings, colors: ["red", "blue"], shapes: ["circle", "none"] });

afterEach(() => vi.restoreAllMocks());

test("what embeddings belong to is told with one image in memory at a time, however many there are", async () => {
  const log: string[] = [];
  const watched: Dataset = {
    ...dataset,
    readImage: (row) => {
      log.push("image");
      return dataset.readImage(row);
    },
  };
  const { digest } = crypto.subtle;
  vi.spyOn(crypto.subtle, "digest").mockImplementation((algorithm, data) => {
    log.push("digest");
    return digest.call(crypto.subtle, algorithm, data);
  });
  expect(await isKept(watched, "an encoder", 4)).toBe(false);
  const ofTrain = log.slice(1, log.lastIndexOf("image"));
  expect(ofTrain.length).toBeGreaterThan(10);
  // Before the next image is read, the one before has become a digest.
  expect(log.join(" ")).not.toContain("image image");
});

test("digests are those of the contents, wherever these come from", async () => {
  const bytes = [Uint8Array.of(1, 2), Uint8Array.of(3)];
  const known = await digestOf(bytes);
  async function* oneByOne() {
    yield* bytes.map((each) => new Blob([each]));
  }
  expect(await digestOf(oneByOne())).toBe(known);
  expect(await digestOf([Uint8Array.of(1), Uint8Array.of(2, 3)])).not.toBe(known);
});

test("a place that keeps no files is told from one that does", async () => {
  expect(await canKeepEmbeddings()).toBe(false); // Node has none
});
