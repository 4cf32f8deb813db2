import { VillaError } from "@villa/data";
import * as v from "valibot";
import { defaultTrainOptions, type TrainOptions } from "./train/train-options.ts";

const positive = v.pipe(v.number(), v.finite(), v.gtValue(0));
const whole = (least: number) => v.pipe(v.number(), v.safeInteger(), v.minValue(least));
const epsilonValue = v.pipe(
  v.number(),
  v.gtValue(0, "epsilon must be above 0 (at 0 even the best region is left out)"),
  v.maxValue(2, "epsilon must be at most 2 (scores are cosines)"),
);
/** A list, or a list as an override writes it: "0.05,0.1". Words that are not numbers stay words. */
const listOf = <Item extends v.GenericSchema>(item: Item) =>
  v.pipe(
    v.union([v.string(), v.number(), v.array(v.unknown())]),
    v.transform((value) => (Array.isArray(value) ? value : String(value).split(",").map(word))),
    v.array(item),
  );
const word = (text: string): string | number => {
  const trimmed = text.trim();
  return trimmed === "" || Number.isNaN(Number(trimmed)) ? trimmed : Number(trimmed);
};

/** ε: a number, several to choose the best of, "auto" or "auto-per-attribute": the best of all on the validation split. */
const epsilonChoice = v.union(
  [epsilonValue, v.picklist(["auto", "auto-per-attribute"]), v.pipe(listOf(epsilonValue), v.minLength(1))],
  'expected a number above 0 and at most 2, several separated by commas, "auto" or "auto-per-attribute"',
);

/**
 * Configuration of Stage 1. The names are those of the reference's YAML, so its overrides work as they are; what has no
 * counterpart there is described here.
 */
export const stage1Schema = v.strictObject({
  task_name: v.pipe(v.string(), v.nonEmpty()),
  seed: v.pipe(whole(0), v.maxValue(2 ** 32 - 1)),
  /** Dataset folder with annotations, attr_embs.pth and region_embs/. */
  data_dir: v.pipe(v.string(), v.nonEmpty()),
  /** Results go to `<checkpoint_dir>/<task_name>`. */
  checkpoint_dir: v.pipe(v.string(), v.nonEmpty()),
  batch_size: whole(1),
  epochs: whole(0),
  model: v.strictObject({
    /** Length of the embeddings; null takes what the files have. */
    emb_dim: v.nullable(whole(1)),
    one_proj: v.boolean(),
    adapter: v.boolean(),
  }),
  loss: v.strictObject({ temp: positive }),
  optimizer: v.strictObject({
    lr: v.pipe(v.number(), v.finite(), v.minValue(0)),
    betas: v.pipe(listOf(v.pipe(v.number(), v.minValue(0), v.ltValue(1))), v.strictTuple([v.number(), v.number()])),
    eps: v.pipe(v.number(), v.finite(), v.minValue(0)),
    weight_decay: v.pipe(v.number(), v.finite(), v.minValue(0)),
    /** "cosine" lets the learning rate fall to zero along half a cosine. */
    schedule: v.picklist(["constant", "cosine"]),
    warmup_steps: whole(0),
  }),
  mapping: v.strictObject({
    epsilon: epsilonChoice,
    /**
     * Groups whose attributes exclude each other, so that a region gets at most one of them: true (all groups), false, or
     * names of groups of `attributes.json`.
     */
    exclusive: v.union(
      [v.boolean(), v.pipe(listOf(v.string()), v.minLength(1))],
      "expected true, false or names of groups",
    ),
    /** Values of ε in the report's trade-off table. */
    sweep: listOf(epsilonValue),
    /** Splits to map; null: all of train, val and test that there are. */
    splits: v.nullable(listOf(v.string())),
  }),
  /** Judge every epoch on the validation split. */
  validate: v.boolean(),
  early_stop: v.strictObject({
    /** "loss" needs no ground truth; "f1" does; "none" trains all epochs. */
    metric: v.picklist(["none", "loss", "f1"]),
    patience: whole(1),
  }),
  /** "auto" goes on where a run with the same settings stood; "never" starts anew. */
  resume: v.picklist(["auto", "never"]),
  /** A checkpoint (.pkl, .pth, .safetensors) to take the starting weights from. */
  init_checkpoint: v.nullable(v.string()),
  /** "i/n", i modulo n (0/4 … 3/4 or 1/4 … 4/4): train only this part of the attributes. A last run without it maps. */
  attributes_shard: v.nullable(v.pipe(v.string(), v.regex(/^\d+\/[1-9]\d*$/, 'Expected "i/n", such as "1/4"'))),
  /** Memory for weights and optimiser state, in GiB; heads are trained in as many waves as needed. */
  memory_limit: positive,
  /** Keep the optimiser state of finished heads, so that more epochs can be added. Two thirds of the checkpoints' size. */
  keep_optimizer: v.boolean(),
});

/** A checked configuration of Stage 1; {@link stage1Schema} describes each setting. */
export interface Stage1Config extends v.InferOutput<typeof stage1Schema> {}

/** Everything but `data_dir`, which has no default. The values are the reference's where it has them. */
export const stage1Defaults: Omit<Stage1Config, "data_dir"> = {
  task_name: "docmnist_stage1",
  seed: defaultTrainOptions.seed,
  checkpoint_dir: "checkpoints",
  batch_size: defaultTrainOptions.batchSize,
  epochs: defaultTrainOptions.epochs,
  model: { emb_dim: null, one_proj: false, adapter: false },
  loss: { temp: defaultTrainOptions.temperature },
  optimizer: {
    lr: defaultTrainOptions.learningRate,
    betas: [defaultTrainOptions.beta1, defaultTrainOptions.beta2],
    eps: defaultTrainOptions.epsilon,
    weight_decay: defaultTrainOptions.weightDecay,
    schedule: defaultTrainOptions.schedule,
    warmup_steps: defaultTrainOptions.warmupSteps,
  },
  mapping: { epsilon: 0.2, exclusive: false, sweep: [0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5], splits: null },
  validate: false,
  early_stop: { metric: "none", patience: 5 },
  resume: "auto",
  init_checkpoint: null,
  attributes_shard: null,
  memory_limit: 4,
  keep_optimizer: true,
};

/** Built-in experiments by name, as overrides of the defaults. */
export const stage1Experiments = {
  docmnist_stage1: {
    task_name: "docmnist_stage1",
    data_dir: "data/docmnist_30000_15.2",
    model: { emb_dim: 1024 },
  },
} as const;

/** @throws VillaError InvalidArgument naming the first key that is unknown or out of range */
export function parseStage1Config(config: unknown): Stage1Config {
  const result = v.safeParse(stage1Schema, config);
  if (result.success) return result.output;
  const issue = result.issues[0];
  const path = v.getDotPath(issue) ?? "the configuration";
  throw new VillaError("InvalidArgument", `${path} is not right: ${issue.message}.`);
}

/** Defaults, overridden by what is given, one level deep; checked. */
export function stage1Config(
  overrides: { readonly data_dir: string } & { readonly [K in keyof Stage1Config]?: DeepPartial<Stage1Config[K]> },
): Stage1Config {
  const merged: Record<string, unknown> = { ...stage1Defaults };
  for (const [key, value] of Object.entries(overrides)) {
    const base = merged[key];
    merged[key] = isSection(base) && isSection(value) ? { ...base, ...value } : value;
  }
  return parseStage1Config(merged);
}

/** The part of the configuration that {@link TrainOptions} covers. */
export function trainOptionsOfConfig(config: Stage1Config): TrainOptions {
  const { optimizer } = config;
  return {
    epochs: config.epochs,
    batchSize: config.batch_size,
    seed: config.seed,
    temperature: config.loss.temp,
    learningRate: optimizer.lr,
    beta1: optimizer.betas[0],
    beta2: optimizer.betas[1],
    epsilon: optimizer.eps,
    weightDecay: optimizer.weight_decay,
    schedule: optimizer.schedule,
    warmupSteps: optimizer.warmup_steps,
  };
}

/** Index (from 0) and count of "i/n", i taken modulo n as everywhere in villa. @throws VillaError InvalidArgument when i > n */
export function parseShard(text: string): { readonly index: number; readonly count: number } {
  const [number, count] = text.split("/").map(Number) as [number, number];
  if (number > count) {
    throw new VillaError(
      "InvalidArgument",
      `attributes_shard=${text} names part ${number} of ${count}; use 0/${count} to ${count - 1}/${count}.`,
    );
  }
  return { index: number % count, count };
}

type DeepPartial<T> = T extends readonly unknown[] ? T : T extends object ? { readonly [K in keyof T]?: T[K] } : T;

const isSection = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
