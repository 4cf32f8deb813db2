import { tensorValues } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import { beforeAll, describe, expect, test } from "vitest";
import { makeBatch, positivesPerImage, regionOffsets } from "../src/data/batches.ts";
import type { HeadState } from "../src/model/head-state.ts";
import { HeadTrainer } from "../src/model/head-trainer.ts";
import { type HeadWeights, headFrom, headParameters, parameterShape, rowWidth } from "../src/model/heads.ts";
import { trainOptions } from "../src/train/train-options.ts";

const d = 1024; // rows of this length are kept wider on the backend
const counts = Int32Array.of(2, 1);
const labels = Uint8Array.of(1, 0, 1, 1);
const data = { regions: tensorValues("regions", [3, d]), counts, labels };
const batch = makeBatch(Int32Array.of(0, 1), {
  offsets: regionOffsets(counts),
  positives: positivesPerImage(labels, 2),
});
const weights = headFrom((p) => tensorValues(`head ${p}`, parameterShape(p, d), 0.05));
const attributeEmbeddings = tensorValues("attributes", [2, d]);

function trainer(states: readonly HeadState[]): HeadTrainer {
  const options = { ...trainOptions(), dimension: d, oneProj: false, adapter: false };
  return new HeadTrainer(states, { ...options, attributeEmbeddings, totalSteps: 4 });
}

const fresh = [0, 1].map((head) => ({ head, epoch: 0, steps: 0, losses: [], validation: [], weights }));

describe.each(testBackends().filter(({ name }) => name === "native" || name === "wasm"))(
  "heads of 1024 values on $name",
  (backend) => {
    beforeAll(() => backend.activate());

    test("weights come back as they were given; scores are those of the plain formula", async () => {
      expect(rowWidth(d)).toBeGreaterThan(d);
      const own = trainer(fresh);
      for (const head of await own.stack.weights()) expectSame(head, weights);
      const x = own.stack.rows(data.regions, batch.rows);
      const { cosines } = await own.stack.score(x);
      expect(cosines[1]).toBeCloseTo(cosineOf(1, 0), 5);
      expect(cosines[3 + 2]).toBeCloseTo(cosineOf(2, 1), 5);
      x.dispose();
      own.dispose();
    });

    test("a training that goes on from its saved values takes the same step", async () => {
      const own = trainer(fresh);
      await own.trainStep(data, batch);
      const saved = (await own.values()).map((values, head): HeadState => ({ ...fresh[head]!, ...values }));
      const resumed = trainer(saved);
      expect(await resumed.trainStep(data, batch)).toEqual(await own.trainStep(data, batch));
      const [left, right] = [await resumed.values(), await own.values()];
      for (const moment of ["weights", "mean", "meanSquare"] as const) {
        for (const [head, values] of left.entries()) expectSame(values[moment], right[head]![moment]);
      }
      own.dispose();
      resumed.dispose();
    });
  },
);

/** Vitest would compare millions of values one by one. */
function expectSame(left: HeadWeights | undefined, right: HeadWeights | undefined): void {
  if (!left || !right) throw new Error("Values are missing.");
  const bytes = ({ buffer, byteOffset, byteLength }: Float32Array) => new Uint8Array(buffer, byteOffset, byteLength);
  const names = headParameters.filter((name) => Buffer.compare(bytes(left[name]), bytes(right[name])) !== 0);
  expect(names).toEqual([]);
}

/** Cosine of a head's output for a region and an attribute, in double precision. */
function cosineOf(region: number, attribute: number): number {
  const linear = (x: ArrayLike<number>, layer: "0" | "2"): number[] =>
    Array.from(weights[`${layer}.bias`], (bias, row) => {
      let sum = bias;
      for (let i = 0; i < d; i++) sum += weights[`${layer}.weight`][row * d + i]! * x[i]!;
      return sum;
    });
  const hidden = linear(data.regions.subarray(region * d, (region + 1) * d), "0").map((h) => Math.max(h, 0));
  const output = linear(hidden, "2");
  const dot = output.reduce((sum, y, i) => sum + y * attributeEmbeddings[attribute * d + i]!, 0);
  return dot / Math.hypot(...output);
}
