// SigLIP's and CLIP's losses with what they learn, beside open_clip's; see tools/golden/objectives.py.
import * as tf from "@tensorflow/tfjs-core";
import { Adam, CosineSchedule, contrastiveMicroBatch, l2Normalize } from "@villa/core";
import { expectAllClose, golden, tensorValues } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import { beforeAll, describe, expect, it, test } from "vitest";
import { contrastiveObjective } from "../src/objective.ts";

interface ObjectiveCase {
  readonly loss: "infonce" | "sigmoid";
  readonly temperature: number;
  readonly bias: number;
  readonly losses: readonly number[];
  readonly gradients: Readonly<Record<string, readonly number[]>>;
  readonly after: Readonly<Record<string, readonly number[]>>;
}
interface ScheduleCase {
  readonly rate: number;
  readonly warmup: number;
  readonly steps: number;
  readonly rates: readonly number[];
}

const { rows, dimension, cases, schedules } = golden().json<{
  rows: number;
  dimension: number;
  cases: ObjectiveCase[];
  schedules: ScheduleCase[];
}>("objectives.json");

const named = (name: string) =>
  tf.tidy(() => {
    const values = tf.tensor2d(tensorValues(`objectives:${name}`, [rows, dimension]), [rows, dimension]);
    return l2Normalize(values) as tf.Tensor2D;
  });

describe.each(testBackends())("objectives on $name", ({ name: backend, activate }) => {
  beforeAll(activate);
  const rtol = backend === "webgpu" ? 1e-3 : 1e-4;

  it.each(cases)(
    "$loss, τ = $temperature, b = $bias: losses, gradients and three steps of what it learns",
    async (own) => {
      const images = tf.variable(named("images"));
      const texts = named("texts");
      for (const chunks of [[rows], [3, rows - 3]]) {
        const before = tf.memory().numTensors;
        const objective = contrastiveObjective({ ...own, learnTemperature: true });
        const optimizer = new Adam({ parameters: objective.parameters, learningRate: 0.01, weightDecay: 0 });
        for (const [step, loss] of own.losses.entries()) {
          const result = await contrastiveMicroBatch({
            chunks: chunks.map((size, i) => [i * chunks[0]!, size] as const),
            parameters: new Map([["images", images as tf.Variable]]),
            lossParameters: objective.parameters,
            embed: ([start, size]) => tf.slice(images as unknown as tf.Tensor2D, [start, 0], [size, -1]),
            loss: (embeddings) => objective.loss(embeddings, texts),
          });
          expectAllClose([result.loss], [loss], { rtol });
          const { images: ofImages, ...learned } = result.gradients;
          if (step === 0) {
            for (const [name, values] of Object.entries(own.gradients)) {
              const found = await result.gradients[name]!.data();
              expectAllClose(found, values, { rtol, atol: rtol / 100, label: `gradient of ${name}` });
            }
          }
          optimizer.step(learned);
          tf.dispose(result.gradients);
        }
        for (const [name, values] of Object.entries(own.after)) {
          expectAllClose(await objective.parameters.get(name)!.data(), values, { rtol, label: name });
        }
        optimizer.dispose();
        objective.dispose();
        expect(tf.memory().numTensors).toBe(before);
      }
      tf.dispose([images, texts]);
    },
  );

  it("stays finite for logits of any size", async () => {
    const one = tf.tensor2d([1, 0, 0, 1], [2, 2]);
    const objective = contrastiveObjective({ loss: "sigmoid", temperature: 1e-3, bias: 500 });
    const loss = tf.tidy(() => objective.loss(one, one));
    expectAllClose([(await loss.data())[0]!], [500], { rtol: 1e-5 });
    tf.dispose([one, loss]);
  });
});

test("a learned 1/τ is kept within 1 and 100", () => {
  const scaleOf = (temperature: number) => {
    const objective = contrastiveObjective({ temperature, learnTemperature: true });
    objective.clamp();
    const [scale] = objective.parameters.get("logit_scale")!.dataSync();
    objective.dispose();
    return scale!;
  };
  expectAllClose([2, 0.07, 0.001].map(scaleOf), [0, -Math.log(0.07), Math.log(100)], { rtol: 1e-6, atol: 1e-7 });
});

test.each(schedules)("cosine schedule of $steps steps, $warmup of them warm-up", ({ rate, warmup, steps, rates }) => {
  const optimizer = { learningRate: rate };
  const schedule = new CosineSchedule({ optimizer, warmupSteps: warmup, totalSteps: steps });
  const found = rates.map((_, done) => {
    schedule.beforeStep(done);
    return optimizer.learningRate;
  });
  expectAllClose(found, rates, { rtol: 1e-7, atol: 1e-12 });
});

test("a warm-up of the whole run is refused", () => {
  const optimizer = { learningRate: 1 };
  expect(() => new CosineSchedule({ optimizer, warmupSteps: 6, totalSteps: 6 })).toThrow(/warm-up of 6 steps/);
});
