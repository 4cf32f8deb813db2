import { createHash } from "node:crypto";
import { RandomState } from "@villa/data";
import { bytes, golden } from "@villa/testing";
import { describe, expect, it } from "vitest";
import { type DigitSet, type DocMnistSample, docMnistAttributes, generateDocMnist } from "../src/index.ts";

interface GoldenSplit {
  images: number;
  avg_sample_complexity: number;
  image_shape: number[];
  pixels_sha256: string;
  boxes_sha256: string;
  labels_sha256: string;
  sorted_sentences_sha256: string;
  first: { boxes: number[][]; labels: unknown[][]; sorted_sentences: string[]; pixels_sha256: string }[];
}

export interface GoldenDataset {
  digits: string;
  n_digits: number;
  seed: number;
  attribute_budget: number;
  val_attribute_budget: number;
  target_sample_complexity: number;
  rng_probe_after: number[];
  train: GoldenSplit;
  val: GoldenSplit;
}

const sha256 = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("hex");
const numbers = new Map(docMnistAttributes.digits.map(({ name, label }) => [name, label]));
const boxes = (sample: DocMnistSample) => sample.regions.map((region) => region.box);
const labels = (sample: DocMnistSample) =>
  sample.regions.map(({ digit, color, shape, size }) => [numbers.get(digit), color, shape, size]);
const sentences = (sample: DocMnistSample) => [...sample.sentences].sort();

export function expectSplit(samples: readonly DocMnistSample[], expected: GoldenSplit): void {
  expect(samples.length).toBe(expected.images);
  for (const [i, first] of expected.first.entries()) {
    const sample = samples[i]!;
    expect(labels(sample)).toEqual(first.labels);
    expect(boxes(sample)).toEqual(first.boxes);
    expect(sentences(sample)).toEqual(first.sorted_sentences);
    expect(sha256(sample.image)).toBe(first.pixels_sha256);
  }
  const pixels = createHash("sha256");
  for (const { image } of samples) pixels.update(image);
  expect(pixels.digest("hex")).toBe(expected.pixels_sha256);
  expect(sha256(JSON.stringify(samples.map(boxes)))).toBe(expected.boxes_sha256);
  expect(sha256(JSON.stringify(samples.map(labels)))).toBe(expected.labels_sha256);
  expect(sha256(JSON.stringify(samples.map(sentences)))).toBe(expected.sorted_sentences_sha256);
  const complexity = samples.reduce((sum, sample) => sum + sample.sampleComplexity, 0) / samples.length;
  expect(complexity).toBeCloseTo(expected.avg_sample_complexity, 10);
}

const digitSet = (name: string, n: number): DigitSet => ({
  images: bytes(name, n * 784),
  labels: Uint8Array.from({ length: n }, (_, i) => i % 10),
});

describe("generated datasets equal the reference's", () => {
  for (const expected of golden(import.meta.url).json<GoldenDataset[]>("docmnist.json")) {
    const { digits, n_digits, seed, attribute_budget, target_sample_complexity } = expected;
    it(`seed ${seed}, budget ${attribute_budget}, complexity ${target_sample_complexity}`, () => {
      const random = new RandomState(seed);
      const dataset = generateDocMnist({
        digits: { train: digitSet(`${digits}:train`, n_digits), test: digitSet(`${digits}:t10k`, 50) },
        attributeBudget: attribute_budget,
        valAttributeBudget: expected.val_attribute_budget,
        targetSampleComplexity: target_sample_complexity,
        random,
      });
      expectSplit(dataset.train, expected.train);
      expectSplit(dataset.val, expected.val);
      expect(expected.rng_probe_after.map(() => random.randomSample())).toEqual(expected.rng_probe_after);
    });
  }
});
