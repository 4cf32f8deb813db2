import { resolveConfig } from "@villa/core";
import { expect, test } from "vitest";
import { stage1Config, stage1Experiments, stage1Schema, trainOptions } from "../src/index.ts";
import { trainOptionsOfConfig } from "../src/train/train-options.ts";

const resolve = (...overrides: string[]) =>
  resolveConfig({ schema: stage1Schema, experiments: stage1Experiments, overrides });

test("the built-in experiment has the reference's values", () => {
  expect(resolve("experiment=docmnist_stage1")).toMatchObject({
    taskName: "docmnist_stage1",
    seed: 23,
    batchSize: 48,
    epochs: 30,
    model: { embDim: 1024, oneProj: false, adapter: false },
    loss: { temp: 0.07 },
    optimizer: { lr: 1e-4, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.01, schedule: "constant" },
    mapping: { epsilon: 0.2 },
  });
});

test("overrides are taken as typed", () => {
  const config = resolve(
    ...["experiment=docmnist_stage1", "data_dir=data/x", "epochs=10", "loss.temp=0.05", "mapping.epsilon=0.05,0.1"],
    ...["optimizer.betas=0.8,0.99", "mapping.splits=val", "attributes-shard=2/4", "early_stop.metric=f1"],
    ...["model.oneProj=true", "optimizer.weight_decay=0"],
  );
  expect(config).toMatchObject({
    dataDir: "data/x",
    epochs: 10,
    loss: { temp: 0.05 },
    attributesShard: { index: 2, count: 4 },
    model: { embDim: 1024, oneProj: true },
    mapping: { epsilon: [0.05, 0.1], splits: ["val"] },
    optimizer: { betas: [0.8, 0.99], weightDecay: 0 },
    earlyStop: { metric: "f1", patience: 5 },
  });
  expect(resolve("data_dir=x", "mapping.epsilon=auto").mapping.epsilon).toBe("auto");
  expect(resolve("data_dir=x", "epsilon=0.1,0.3").mapping.epsilon).toEqual([0.1, 0.3]);
});

test("a program's settings fill up with the defaults, and a checked configuration passes the check again", () => {
  const config = stage1Config({ dataDir: "x", optimizer: { lr: 1e-3 }, attributesShard: "4/4", epochs: undefined });
  expect(config).toEqual({
    ...resolve("data_dir=x", "optimizer.lr=0.001", "attributes_shard=0/4"),
    attributesShard: { index: 0, count: 4 },
  });
  expect(stage1Config(config)).toEqual(config);
});

test("training without files has the rules and defaults of the configuration", () => {
  const settings = { epochs: 3, loss: { temp: 0.1 }, optimizer: { lr: 0.01, eps: 1e-6 } };
  expect(trainOptions({ epochs: 3, temperature: 0.1, learningRate: 0.01, adamEpsilon: 1e-6 })).toEqual(
    trainOptionsOfConfig(stage1Config({ dataDir: "x", ...settings })),
  );
  expect(() => trainOptions({ temperature: 0 })).toThrow("temperature: expected at least 0.000001");
});

test.each([
  ["mapping.epsilon=0", /mapping.epsilon/],
  ["mapping.epsilon=0.1,-1", /mapping.epsilon/],
  ["mapping.epsilon=lots", /mapping.epsilon/],
  ["batch_size=0", /batch_size/],
  ["epochs=1.5", /epochs/],
  ["loss.temp=-1", /loss.temp/],
  ["optimizer.betas=0.9,1", /optimizer.betas/],
  ["seed=4294967296", /seed/],
  ["epoch=3", /Did you mean "epochs"/],
  ["attributes_shard=1/0", /attributes_shard/],
  ["attributes_shard=4/3", /attributes_shard: .*not "4\/3"/],
])("%s is refused", (override, sentence) => {
  expect(() => resolve("experiment=docmnist_stage1", override)).toThrow(sentence);
});
