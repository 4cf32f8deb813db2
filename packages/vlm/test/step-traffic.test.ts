import * as tf from "@tensorflow/tfjs-core";
import { Adam } from "@villa/core";
import { ModifiedResNet, visionVariables } from "@villa/encoders";
import { tensorValues } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import { clipConfig, namedStateDict } from "@villa/testing/clip-weights";
import { stepTraffic } from "@villa/testing/step-traffic";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ContrastiveBatch, disposeBatch } from "../src/batch.ts";
import { type ContrastiveObjective, contrastiveObjective } from "../src/objective.ts";
import { contrastiveGradients } from "../src/step.ts";

// Small: a software device takes most of a minute to compile the shaders of a step.
const side = 32;
const width = 8;
const { vision } = clipConfig({
  embed_dim: width,
  image_resolution: side,
  vision_layers: [1, 1, 1, 1],
  vision_width: 4,
  context_length: 4,
  vocab_size: 8,
  transformer_width: 8,
  transformer_heads: 1,
  transformer_layers: 1,
});

/** Two images with these numbers of regions. */
function makeBatch(counts: readonly [number, number]): ContrastiveBatch {
  const imageIndex = counts.flatMap((count, image) => new Array<number>(count).fill(image));
  const boxes = imageIndex.flatMap((_, i) => [i, 2 * i, 20 + 2 * i, 22 + i]);
  const images = tf.tensor4d(tensorValues("images", [2, side, side, 3]), [2, side, side, 3]);
  const text = tf.tensor2d(tensorValues("text", [imageIndex.length, width]), [imageIndex.length, width]);
  return { groups: [{ images, regions: { boxes, imageIndex, imageWidth: side } }], text, pairs: imageIndex.length };
}

describe.each(testBackends())("a step of Stage 2 on $name", (backend) => {
  let tower: ModifiedResNet;
  let optimizer: Adam;
  let objective: ContrastiveObjective;
  beforeAll(async () => {
    await backend.activate();
    tower = new ModifiedResNet(vision, visionVariables(namedStateDict("traffic", { vision }) as never, vision));
    objective = contrastiveObjective({ temperature: 0.07 });
    optimizer = new Adam({ parameters: tower.trainableVariables(), learningRate: 1e-4 });
  });
  afterAll(() => {
    optimizer.dispose();
    objective.dispose();
    tower.dispose();
  });

  /** One step from the batch on the backend to the changed weights, and what it asked for. */
  async function traffic(counts: readonly [number, number], microBatch = 0): ReturnType<typeof stepTraffic> {
    const batch = makeBatch(counts);
    const counted = await stepTraffic(tf.engine(), async () => {
      const { gradients } = await contrastiveGradients(tower, batch, { objective, microBatch });
      optimizer.step(gradients);
      tf.dispose(gradients);
    });
    disposeBatch(batch);
    return counted;
  }

  let firstPipelines = 0; // on a new device
  test("reads its loss back, one number, and nothing else, whole or in chunks", async () => {
    for (const microBatch of [0, 1]) {
      const { reads, blockingReads, pipelines } = await traffic([2, 2], microBatch);
      expect(reads).toEqual([1]);
      expect(blockingReads).toEqual([]);
      firstPipelines += pipelines;
    }
    expect(firstPipelines > 0).toBe(backend.name === "webgpu");
  }, 300_000);

  test("compiles nothing for a size that it has seen, and a few pipelines at most for another", async () => {
    await traffic([2, 2]);
    expect((await traffic([2, 2])).pipelines).toBe(0);
    // TF.js has shaders of their own for sizes that four divides, for instance, but not for each size.
    const another = await traffic([3, 2]);
    expect(another.pipelines).toBeLessThanOrEqual(firstPipelines / 5);
    expect((await traffic([3, 2])).pipelines).toBe(0);
    expect((await traffic([2, 2])).pipelines).toBe(0);
  }, 300_000);
});
