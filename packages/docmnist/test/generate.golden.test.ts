import { RandomState } from "@villa/data";
import { golden } from "@villa/testing";
import { describe, expect, it } from "vitest";
import { type DigitSource, generateDocMnist } from "../src/index.ts";
import { loadMnist } from "../src/node.ts";
import { expectSplit, type GoldenDataset, mnistDirectory, namedDigits } from "./golden-dataset.ts";

const { json } = golden();

function expectDataset(digits: DigitSource, expected: GoldenDataset): void {
  const random = new RandomState(expected.seed);
  const dataset = generateDocMnist({
    digits,
    attributeBudget: expected.attribute_budget,
    valAttributeBudget: expected.val_attribute_budget,
    targetSampleComplexity: expected.target_sample_complexity,
    random,
  });
  expectSplit(dataset.train, expected.train);
  expectSplit(dataset.val, expected.val);
  expect(expected.rng_probe_after.map(() => random.randomSample())).toEqual(expected.rng_probe_after);
}

const title = ({ seed, attribute_budget, target_sample_complexity }: GoldenDataset): string =>
  `seed ${seed}, budget ${attribute_budget}, complexity ${target_sample_complexity}`;

describe("datasets of made-up digits equal the reference's", () => {
  for (const expected of json<GoldenDataset[]>("docmnist.json")) {
    const { digits, n_digits } = expected;
    it(title(expected), () => {
      const test = namedDigits(`${digits}:t10k`, 50);
      expectDataset({ train: namedDigits(`${digits}:train`, n_digits), test }, expected);
    });
  }
});

const directory = mnistDirectory();
describe.skipIf(!directory)("datasets of real MNIST digits equal the reference's", () => {
  for (const expected of json<GoldenDataset[]>("docmnist_mnist.json")) {
    it(title(expected), async () => {
      const digits = await loadMnist(directory!);
      // The golden values are those of the 10 000 test digits served as training digits.
      expectDataset({ train: digits.test ?? digits.train }, expected);
    });
  }
});
