import {
  adamDefaults,
  checkConfig,
  filledText,
  listOf,
  notNegative,
  positive,
  requiredSetting,
  setting,
  settingGroup,
  whole,
} from "@villa/core";
import { isVillaError, parseShard, type Shard } from "@villa/data";
import * as v from "valibot";

/** ε of the mapping where nothing else is said (paper §3.2). */
export const defaultEpsilon = 0.2;

const epsilonValue: v.GenericSchema<number> = v.pipe(
  v.number(),
  v.gtValue(0, "epsilon must be above 0 (at 0 even the best region is left out)"),
  v.maxValue(2, "epsilon must be at most 2 (scores are cosines)"),
);

/** A number, several to choose the best of, or a way to choose: how `mapping.epsilon` may be written. */
type EpsilonInput = number | string | readonly number[];
type EpsilonChoice = number | number[] | "auto" | "auto-per-attribute";
const epsilonChoice = v.union(
  [
    epsilonValue,
    v.picklist(["auto", "auto-per-attribute"]),
    v.pipe(listOf(epsilonValue), v.minLength(1, "expected at least one value")),
  ],
  'expected a number above 0 and at most 2, several separated by commas, "auto" or "auto-per-attribute"',
) as unknown as v.GenericSchema<EpsilonInput, EpsilonChoice>;

const groupChoice = v.union(
  [v.boolean(), v.pipe(listOf(v.string()), v.minLength(1))],
  "expected true, false or names of groups",
) as unknown as v.GenericSchema<boolean | string | readonly string[], boolean | string[]>;

const decay: v.GenericSchema<number> = v.pipe(v.number(), v.minValue(0), v.ltValue(1));
const twoDecays = v.pipe(listOf(decay), v.strictTuple([v.number(), v.number()])) as unknown as v.GenericSchema<
  string | readonly [number, number],
  [number, number]
>;

/** "i/n" as an override writes it, or a shard as a program has it. */
const shardChoice = v.pipe(
  v.union([v.string(), v.strictObject({ index: whole(0), count: whole(1) })], "expected i/n, such as 1/4"),
  v.rawTransform<string | Shard, Shard>(({ dataset, addIssue, NEVER }) => {
    if (typeof dataset.value !== "string") return dataset.value;
    try {
      return parseShard(dataset.value);
    } catch (error) {
      addIssue({ message: isVillaError(error) ? error.message.replace(/\.$/, "") : String(error) });
      return NEVER;
    }
  }),
) as v.GenericSchema<string | Shard, Shard>;

/**
 * Configuration of Stage 1: the one home of its names, rules, defaults and descriptions. `villa stage1` and YAML files
 * write the same names in snake_case, which are then those of the reference.
 */
export const stage1Schema = v.strictObject({
  dataDir: requiredSetting(
    filledText(),
    "dataset folder with `annotations.feather`, `attr_embs.pth` and `region_embs/`",
  ),
  taskName: setting(filledText(), { fallback: "docmnist_stage1", help: "results go to `checkpoint_dir/task_name`" }),
  checkpointDir: setting(filledText(), { fallback: "checkpoints", help: "folder of the results of all runs" }),
  seed: setting(whole(0, 2 ** 32 - 1), {
    fallback: 23,
    help: "starting weights, order of the images, choice of sentences",
  }),
  batchSize: setting(whole(1), { fallback: 48, help: "images a step; an incomplete last batch is dropped" }),
  epochs: setting(whole(0), { fallback: 30, help: "passes over the training split" }),
  /** Form of the model. */
  model: settingGroup({
    embDim: setting(v.nullable(whole(1)), {
      fallback: null,
      help: "length of the embeddings; `null` takes what the files have",
    }),
    oneProj: setting(v.boolean(), { fallback: false, help: "one head for all attributes" }),
    adapter: setting(v.boolean(), { fallback: false, help: "head output · 0.2 + input · 0.8" }),
  }),
  /** The contrastive loss. */
  loss: settingGroup({
    // e^(1/τ) is shifted before it is taken, so only the quotient 1/τ itself has to stay finite.
    temp: setting(v.pipe(v.number(), v.finite(), v.minValue(1e-6)), {
      fallback: 0.07,
      help: "τ of the contrastive loss",
    }),
  }),
  /** The optimiser and its learning rate. */
  optimizer: settingGroup({
    lr: setting(notNegative(), { fallback: 1e-4, help: "learning rate of AdamW" }),
    betas: setting(twoDecays, { fallback: adamDefaults.betas, help: "decay of AdamW's two running means" }),
    eps: setting(notNegative(), { fallback: adamDefaults.adamEpsilon, help: "AdamW's guard against division by zero" }),
    weightDecay: setting(notNegative(), {
      fallback: adamDefaults.decoupledWeightDecay,
      help: "decoupled, as in torch's `AdamW`",
    }),
    schedule: setting(v.picklist(["constant", "cosine"]), {
      fallback: "constant",
      help: "`constant`, or `cosine`: the learning rate falls to zero along half a cosine",
    }),
    warmupSteps: setting(whole(0), { fallback: 0, help: "steps over which the learning rate rises from zero" }),
  }),
  /** How regions are assigned, and what the report compares. */
  mapping: settingGroup({
    epsilon: setting(epsilonChoice, {
      fallback: defaultEpsilon,
      help: "a number; a list, which the report compares and of which the best on validation is used; `auto`; `auto-per-attribute`. `epsilon=` for short",
      shortName: "epsilon",
    }),
    exclusive: setting(groupChoice, {
      fallback: false,
      help: "groups whose attributes exclude each other, so that a region gets at most one of each: `true` (all) or names of groups",
    }),
    sweep: setting(listOf(epsilonValue), {
      fallback: [0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5],
      help: "values of ε in the trade-off table",
    }),
    splits: setting(v.nullable(listOf(v.string())), {
      fallback: null,
      help: "which splits to map; `null`: all of train, val and test",
    }),
  }),
  validate: setting(v.boolean(), { fallback: false, help: "judge every epoch on the validation split" }),
  /** When to stop before the last epoch. */
  earlyStop: settingGroup({
    metric: setting(v.picklist(["none", "loss", "f1"]), {
      fallback: "none",
      help: "`loss` (no ground truth needed) or `f1`: each head keeps its best epoch; `none` trains all epochs",
    }),
    patience: setting(whole(1), { fallback: 5, help: "epochs without improvement" }),
  }),
  resume: setting(v.picklist(["auto", "never"]), {
    fallback: "auto",
    help: "`auto` goes on where a run with the same settings stood; `never` starts anew, and earlier results stay until the new ones are there",
  }),
  initCheckpoint: setting(v.nullable(filledText()), {
    fallback: null,
    help: "weights to start from; the original's `last.pkl` too",
  }),
  attributesShard: setting(v.nullable(shardChoice), {
    fallback: null,
    help: "`i/n`, `0/4` to `3/4` or `1/4` to `4/4`: train only this part of the attributes; a last run without it maps",
  }),
  memoryLimit: setting(positive(), {
    fallback: 4,
    help: "GiB for weights and optimiser state; heads are trained in as many waves as needed",
  }),
  keepOptimizer: setting(v.boolean(), {
    fallback: false,
    help: "keep the optimiser's state of finished heads, two thirds of a checkpoint: only then can more `epochs` be added later",
  }),
});

/** A checked configuration of Stage 1; {@link stage1Schema} describes each setting. */
export interface Stage1Config extends v.InferOutput<typeof stage1Schema> {}

/** Settings of Stage 1 as a program gives them: `dataDir`, and whatever differs from the defaults. */
export interface Stage1Settings extends v.InferInput<typeof stage1Schema> {}

/** Built-in experiments by name, as overrides of the defaults. */
export const stage1Experiments = {
  docmnist_stage1: {
    taskName: "docmnist_stage1",
    dataDir: "data/docmnist_30000_15.2",
    model: { embDim: 1024 },
  },
} as const satisfies Readonly<Record<string, Stage1Settings>>;

/**
 * A checked configuration of Stage 1, with the defaults for settings that are not given.
 *
 * @example
 * stage1Config({ dataDir: "data/docmnist_30000_15.2", epochs: 10, loss: { temp: 0.05 } });
 * @throws VillaError `InvalidArgument` naming every setting that is unknown, missing or out of range
 */
export function stage1Config(settings: Stage1Settings): Stage1Config {
  return checkConfig(stage1Schema, settings);
}
