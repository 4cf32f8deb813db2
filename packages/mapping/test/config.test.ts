import { resolveConfig } from "@villa/core";
import { expect, test } from "vitest";
import { parseStage1Config, stage1Config, stage1Defaults, stage1Experiments, stage1Schema } from "../src/index.ts";

const resolve = (...overrides: string[]) =>
  resolveConfig({ schema: stage1Schema, defaults: stage1Defaults, experiments: stage1Experiments, overrides });

test("the built-in experiment has the reference's values", () => {
  expect(resolve("experiment=docmnist_stage1")).toMatchObject({
    task_name: "docmnist_stage1",
    seed: 23,
    batch_size: 48,
    epochs: 30,
    model: { emb_dim: 1024, one_proj: false, adapter: false },
    loss: { temp: 0.07 },
    optimizer: { lr: 1e-4, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.01, schedule: "constant" },
    mapping: { epsilon: 0.2 },
  });
});

test("overrides are taken as typed", () => {
  const config = resolve(
    ...["experiment=docmnist_stage1", "data_dir=data/x", "epochs=10", "loss.temp=0.05", "mapping.epsilon=0.05,0.1"],
    ...["optimizer.betas=0.8,0.99", "mapping.splits=val", "attributes-shard=2/4", "early_stop.metric=f1"],
  );
  expect(config).toMatchObject({
    data_dir: "data/x",
    epochs: 10,
    loss: { temp: 0.05 },
    attributes_shard: "2/4",
    mapping: { epsilon: [0.05, 0.1], splits: ["val"] },
    optimizer: { betas: [0.8, 0.99] },
    early_stop: { metric: "f1", patience: 5 },
  });
  expect(resolve("data_dir=x", "mapping.epsilon=auto").mapping.epsilon).toBe("auto");
});

test("a checked configuration passes the check again", () => {
  const config = stage1Config({ data_dir: "x", optimizer: { lr: 1e-3 } });
  expect(config.optimizer).toEqual({ ...stage1Defaults.optimizer, lr: 1e-3 });
  expect(parseStage1Config(config)).toEqual(config);
});

test.each([
  ["mapping.epsilon=0", /mapping.epsilon/],
  ["mapping.epsilon=0.1,-1", /mapping.epsilon/],
  ["mapping.epsilon=lots", /mapping.epsilon/],
  ["batch_size=0", /batch_size/],
  ["epochs=1.5", /epochs/],
  ["loss.temp=-1", /loss.temp/],
  ["seed=4294967296", /seed/],
  ["epoch=3", /Did you mean "epochs"/],
  ["attributes_shard=1/0", /attributes_shard/],
])("%s is refused", (override, sentence) => {
  expect(() => resolve("experiment=docmnist_stage1", override)).toThrow(sentence);
});
