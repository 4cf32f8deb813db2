import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { bytes } from "@villa/testing";
import { expect } from "vitest";
import { type DigitSet, type DocMnistSample, docMnistAttributes } from "../src/index.ts";

export interface GoldenSplit {
  images: number;
  avg_sample_complexity: number;
  image_shape: number[];
  pixels_sha256: string;
  boxes_sha256: string;
  labels_sha256: string;
  sorted_sentences_sha256: string;
  first: { boxes: number[][]; labels: unknown[][]; sorted_sentences: string[]; pixels_sha256: string }[];
}

/** One dataset of docmnist.json or docmnist_mnist.json. */
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

/** Fails unless the samples are those of the reference. */
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

/** The digits of the golden datasets: bytes made from a name, labels 0…9 in turn. */
export function namedDigits(name: string, n: number): DigitSet {
  return { images: bytes(name, n * 784), labels: Uint8Array.from({ length: n }, (_, i) => i % 10) };
}

/** A folder with real MNIST files, or undefined: `VILLA_MNIST_DIR`, else `shared/mnist` beside the repository. */
export function mnistDirectory(): string | undefined {
  const beside = fileURLToPath(new URL("../../../../shared/mnist", import.meta.url));
  const directory = process.env.VILLA_MNIST_DIR ?? beside;
  if (existsSync(directory)) return directory;
  console.warn(`Skipped: no MNIST files in ${directory}; set VILLA_MNIST_DIR to a folder that has them.`);
  return undefined;
}
