import * as tf from "@tensorflow/tfjs-core";
import { tensorValues } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import { stepTraffic } from "@villa/testing/step-traffic";
import { beforeAll, describe, expect, test } from "vitest";
import { makeBatch, positivesPerImage, regionOffsets } from "../src/data/batches.ts";
import { HeadTrainer } from "../src/model/head-trainer.ts";
import { headFrom, parameterShape } from "../src/model/heads.ts";
import { trainOptions } from "../src/train/train-options.ts";

const d = 16;
const heads = [0, 1, 2];

function trainer(): HeadTrainer {
  const states = heads.map((head) => ({
    head,
    epoch: 0,
    steps: 0,
    losses: [],
    validation: [],
    weights: headFrom((p) => tensorValues(`x${head}${p}`, parameterShape(p, d), 0.1)),
  }));
  const attributeEmbeddings = tensorValues("a", [heads.length, d]);
  return new HeadTrainer(states, {
    ...trainOptions(),
    dimension: d,
    oneProj: false,
    adapter: true,
    attributeEmbeddings,
    totalSteps: 4,
  });
}

/** A batch of images with these numbers of regions, and how many regions it has. */
function step(own: HeadTrainer, regionCounts: number[]): { run: () => Promise<void>; regions: number } {
  const counts = Int32Array.from(regionCounts);
  const regions = counts.reduce((a, b) => a + b);
  const labels = Uint8Array.from({ length: counts.length * heads.length }, (_, i) => (i % 2 === 0 ? 1 : 0));
  const data = { regions: tensorValues("r", [regions, d]), counts, labels };
  const images = Int32Array.from(counts.keys());
  const batch = makeBatch(images, {
    offsets: regionOffsets(counts),
    positives: positivesPerImage(labels, counts.length),
  });
  return { regions, run: async () => void (await own.trainStep(data, batch)) };
}

describe.each(testBackends())("a step of Stage 1 on $name", (backend) => {
  beforeAll(() => backend.activate());

  test("reads the cosines' two parts back, which choose the regions, and nothing else", async () => {
    const own = trainer();
    const first = step(own, [3, 2, 4]);
    const { reads, blockingReads, pipelines } = await stepTraffic(tf.engine(), first.run);
    expect(reads).toEqual([heads.length * first.regions, heads.length * first.regions]);
    expect(blockingReads).toEqual([]);
    if (backend.name === "webgpu") expect(pipelines).toBeGreaterThan(0); // the device is new: they are counted
    own.dispose();
  });

  test("compiles nothing once a step of this kind was made, whatever its number of regions", async () => {
    const own = trainer();
    await step(own, [3, 2, 4]).run();
    expect((await stepTraffic(tf.engine(), step(own, [3, 2, 4]).run)).pipelines).toBe(0);
    expect((await stepTraffic(tf.engine(), step(own, [5, 1, 2, 3]).run)).pipelines).toBe(0);
    own.dispose();
  });
});
