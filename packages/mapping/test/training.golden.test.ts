import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { expectAllClose, expectSummary, fixturesDirectory, golden, type Summary, tensorValues } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import { beforeAll, describe, expect, test } from "vitest";
import { type MappingData, makeBatch, positivesPerImage, regionOffsets } from "../src/data/batches.ts";
import { HeadTrainer } from "../src/model/head-trainer.ts";
import { headCount, headFrom, headParameters, parameterShape } from "../src/model/heads.ts";
import { trainOptions } from "../src/train/train-options.ts";

interface Stage1Case {
  salt: string;
  attributes: number;
  emb_dim: number;
  batch: number;
  one_proj: boolean;
  adapter: boolean;
  lr: number;
  temperature: number;
  num_regions: number[];
  losses: number[];
  labels: number[][][];
  grad0: Record<string, Summary>;
  first_region_proj_embs: Summary;
  params_after: Record<string, Summary>;
}

const { stage1 = [] } = golden().json<{ stage1?: Stage1Case[] | undefined }>("training.json");

test("the fixtures hold cases", () => {
  const own = JSON.parse(readFileSync(join(fixturesDirectory, "training.json"), "utf8"));
  expect(own.stage1.length).toBeGreaterThan(0);
});

/** Heads in stacks of one (as on a CPU) and in one stack (as on a GPU). */
const groupings = [
  { name: "one head at a time", stacks: (heads: number[]) => heads.map((head) => [head]) },
  { name: "all heads stacked", stacks: (heads: number[]) => [heads] },
];

describe.each(stage1.length > 0 ? testBackends() : [])("stage 1 on $name", (backend) => {
  beforeAll(() => backend.activate());

  describe.each(groupings)("$name", ({ stacks }) => {
    test.each(stage1)("$salt: losses, gradients and weights equal the reference's", async (golden) => {
      const { emb_dim: d, attributes, num_regions, salt } = golden;
      const counts = Int32Array.from(num_regions);
      const images = Int32Array.from(counts.keys());
      const attributeEmbeddings = rowNormalised(tensorValues(`${salt}:attr_embs`, [attributes, d]), d);
      const heads = Array.from({ length: headCount(golden.one_proj, attributes) }, (_, h) => h);
      const trainers = stacks(heads).map((stack) => {
        const states = stack.map((head) => ({
          head,
          epoch: 0,
          steps: 0,
          losses: [],
          validation: [],
          weights: headFrom((parameter) =>
            tensorValues(`${salt}:pool.${head}.${parameter}`, parameterShape(parameter, d), 1 / Math.sqrt(d)),
          ),
        }));
        return new HeadTrainer(states, {
          ...trainOptions(),
          dimension: d,
          oneProj: golden.one_proj,
          adapter: golden.adapter,
          attributeEmbeddings,
          learningRate: golden.lr,
          temperature: golden.temperature,
          totalSteps: golden.losses.length,
        });
      });

      for (const [step, expected] of golden.losses.entries()) {
        const data: MappingData = {
          regions: tensorValues(`${salt}:regions:${step}`, [counts.reduce((a, b) => a + b), d]),
          counts,
          labels: Uint8Array.from(golden.labels[step]!.flat()),
        };
        const batch = makeBatch(images, {
          offsets: regionOffsets(counts),
          positives: positivesPerImage(data.labels, counts.length),
        });
        let loss = 0;
        for (const trainer of trainers) {
          if (step === 0) await checkGradients(trainer, data, batch, golden);
          for (const share of await trainer.trainStep(data, batch)) loss += share;
        }
        expectAllClose([loss], [expected], { rtol: 1e-5, atol: 1e-7, label: `loss of step ${step}` });
      }

      for (const [name, summary] of Object.entries(golden.params_after)) {
        const [, head, parameter] = /^pool\.(\d+)\.(.+)$/.exec(name)!;
        const trainer = trainers.find((each) => each.heads.includes(Number(head)))!;
        const { weights } = (await trainer.values())[trainer.heads.indexOf(Number(head))]!;
        expectSummary(weights[parameter as "0.weight"], summary, 1e-4, name);
      }
      for (const trainer of trainers) trainer.dispose();
    });
  });

  test("a step leaves no tensor behind", async () => {
    const golden = stage1[0]!;
    const d = golden.emb_dim;
    const counts = Int32Array.from(golden.num_regions);
    const trainer = new HeadTrainer(
      [0, 1].slice(0, golden.attributes).map((head) => ({
        head,
        epoch: 0,
        steps: 0,
        losses: [],
        validation: [],
        weights: headFrom((p) => tensorValues(`x${head}${p}`, parameterShape(p, d), 0.1)),
      })),
      {
        ...trainOptions(),
        dimension: d,
        oneProj: false,
        adapter: true,
        attributeEmbeddings: tensorValues("a", [golden.attributes, d]),
        totalSteps: 2,
      },
    );
    const data = {
      regions: tensorValues("r", [counts.reduce((a, b) => a + b), d]),
      counts,
      labels: Uint8Array.from(golden.labels[0]!.flat()),
    };
    const batch = makeBatch(Int32Array.from(counts.keys()), {
      offsets: regionOffsets(counts),
      positives: positivesPerImage(data.labels, counts.length),
    });
    await trainer.trainStep(data, batch);
    const before = tf.memory().numTensors;
    await trainer.trainStep(data, batch);
    expect(tf.memory().numTensors).toBe(before);
    trainer.dispose();
    expect(tf.memory().numTensors).toBe(before - 4 * 3 - 1);
  });
});

async function checkGradients(
  trainer: HeadTrainer,
  data: MappingData,
  batch: ReturnType<typeof makeBatch>,
  golden: Stage1Case,
): Promise<void> {
  const { gradients } = await trainer.lossAndGradients(data, batch);
  for (const [name, summary] of Object.entries(golden.grad0)) {
    const [, head, parameter] = /^pool\.(\d+)\.(.+)$/.exec(name)!;
    const index = trainer.heads.indexOf(Number(head));
    if (index < 0) continue;
    const stacked = await gradients[parameter!]!.data();
    const size = stacked.length / trainer.heads.length;
    expectSummary(stacked.slice(index * size, (index + 1) * size), summary, 1e-4, `gradient of ${name}`);
  }
  expect(Object.keys(gradients)).toEqual([...headParameters]);
  tf.dispose(gradients);
}

function rowNormalised(values: Float32Array, d: number): Float32Array {
  for (let row = 0; row < values.length; row += d) {
    const norm = Math.hypot(...values.subarray(row, row + d));
    for (let i = row; i < row + d; i++) values[i]! /= norm;
  }
  return values;
}
