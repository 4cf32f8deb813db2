import * as tf from "@tensorflow/tfjs-core";
import { Adam, infoNCE, l2Normalize, lossAndGradients } from "@villa/core";
import { expectAllClose, expectSummary, tensorValues } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import { beforeAll, describe, expect, test } from "vitest";
import { type ImageTower, loadImageEncoder } from "../src/index.ts";
import { type TowerCase, towerCases, towerFiles, towerImages } from "./golden-towers.ts";

async function towerOf(golden: TowerCase, dense?: "value" | "last-hidden", trainable = false): Promise<ImageTower> {
  return (await loadImageEncoder({ files: towerFiles(golden), dense, trainable })).tower!;
}

describe.each(testBackends())("on $name", ({ name, activate }) => {
  beforeAll(activate);
  const tolerance = name === "webgpu" ? 1e-3 : 1e-4;

  describe.each(towerCases)("$name", (golden) => {
    test.each(golden.images)("features at $size", async ({ size, pooled, dense }) => {
      const [height, width] = size;
      for (const [kind, summary] of Object.entries(dense)) {
        const tower = await towerOf(golden, kind as keyof typeof dense);
        const input = towerImages(`${golden.salt}:${height}x${width}`, 2, height, width);
        const before = tf.memory().numTensors;
        const [whole, map] = [tower.imageEmbeddings(input), tower.features(input)];
        expect(tf.memory().numTensors).toBe(before + 2);
        const scale = Math.sqrt(pooled.reduce((sum, value) => sum + value * value, 0) / pooled.length);
        expectAllClose(await whole.data(), pooled, { rtol: tolerance, atol: tolerance * scale, label: "pooled" });
        expectSummary(await map.data(), summary, tolerance, `${kind} map`);
        tf.dispose([whole, map, input]);
        tower.dispose();
      }
    });

    test("loss, gradients, and weights after three steps; no step leaves a tensor behind", async () => {
      const { training, salt } = golden;
      const kind = Object.keys(golden.images[0]!.dense)[0] as "value" | "last-hidden";
      const tower = await towerOf(golden, kind, true);
      const optimizer = new Adam({
        parameters: tower.trainableVariables(),
        learningRate: training.learning_rate,
        weightDecay: 0,
        adamEpsilon: training.epsilon,
      });
      const known: number[] = [];
      for (const [i, step] of training.steps.entries()) {
        const input = towerImages(`${salt}:train:${i}`, 2, 32, 32);
        // Two by three patches of the first image, two by three of the second.
        const regions = { boxes: [0, 0, 24, 16, 8, 16, 32, 32], imageIndex: [0, 1], imageWidth: 32 };
        const { loss, gradients } = await lossAndGradients(() => {
          const parts = [tower.imageEmbeddings(input), tower.regionEmbeddings(tower.features(input), regions)];
          const rows = l2Normalize(tf.concat2d(parts, 0));
          const text = tf.tensor2d(tensorValues(`${salt}:text:${i}`, rows.shape), rows.shape);
          return infoNCE(rows, l2Normalize(text), { temperature: training.temperature });
        }, tower.trainableVariables());
        expectAllClose([loss], [step.loss], { rtol: tolerance * 2, label: `loss of step ${i}` });
        // Sums over tokens that cancel are as exact as the whole gradient, not as themselves.
        const typical = Math.max(...Object.values(step.grads).map(({ l2 }) => l2));
        for (const [parameter, summary] of Object.entries(step.grads)) {
          if (parameter === "embeddings.mask_token") continue;
          const values = gradients[parameter]!.dataSync();
          if (summary.l2 > 1e-3 * typical) expectSummary(values, summary, tolerance, `gradient of ${parameter}`);
          else expect(Math.hypot(...values), parameter).toBeLessThan(2e-3 * typical);
        }
        optimizer.step(gradients);
        tf.dispose([gradients, input]);
        known.push(tf.memory().numTensors);
      }
      expect(known[2]).toBe(known[1]);
      for (const [parameter, summary] of Object.entries(training.after)) {
        if (parameter === "embeddings.mask_token") continue;
        expectSummary(tower.parameters.get(parameter)!.dataSync(), summary, tolerance, `${parameter} afterwards`);
      }
      optimizer.dispose();
      tower.dispose();
    });
  });
});
