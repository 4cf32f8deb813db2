import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDataset } from "@villa/data/node";
import { golden } from "@villa/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestDataset, writeDataset } from "../src/node.ts";
import { type GoldenDataset, namedDigits } from "./golden-dataset.ts";

let out: string;
beforeAll(async () => {
  out = await mkdtemp(join(tmpdir(), "docmnist-golden-"));
});
afterAll(() => rm(out, { recursive: true }));

describe("a written dataset, read again, has the reference's digest", () => {
  for (const expected of golden().json<GoldenDataset[]>("docmnist.json")) {
    const { digits, n_digits, seed, attribute_budget, val_attribute_budget, target_sample_complexity } = expected;
    it(`seed ${seed}, budget ${attribute_budget}, complexity ${target_sample_complexity}`, async () => {
      const { directory } = await writeDataset({
        digits: { train: namedDigits(`${digits}:train`, n_digits) },
        attributeBudget: attribute_budget,
        valAttributeBudget: val_attribute_budget,
        targetSampleComplexity: target_sample_complexity,
        seed,
        out: join(out, String(seed)),
      });
      const average = expected.train.avg_sample_complexity.toFixed(1);
      expect(directory).toBe(join(out, String(seed), `docmnist_${attribute_budget}_${average}`));
      const digest = await digestDataset(directory);
      for (const split of ["train", "val"] as const) {
        const { first: _, ...rest } = expected[split];
        expect(digest[split]).toEqual(rest);
      }
      const { annotations } = await openDataset(directory);
      expect(annotations.map((row) => row.imageId)).toEqual(annotations.map((_, i) => i));
      expect(annotations[0]!.imageFilepath).toBe("images/0.npz");
    });
  }
});
