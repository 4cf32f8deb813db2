import {
  checkConfig,
  filledText,
  listOf,
  mergeSettings,
  notNegative,
  positive,
  requiredSetting,
  setting,
  settingGroup,
  whole,
} from "@villa/core";
import { checkArgument, VillaError } from "@villa/data";
import type { TrainablePart } from "@villa/encoders";
import * as v from "valibot";

/** Blocks of layer1 … layer4, as a list or written "1,1,1,1". */
const layers = v.pipe(
  listOf(v.unknown() as v.GenericSchema<number>),
  v.check(
    (blocks) => blocks.length === 4 && blocks.every((count) => Number.isSafeInteger(count) && count >= 1),
    "expected four whole numbers of at least 1, such as 3,4,6,3",
  ),
) as unknown as v.GenericSchema<string | readonly [number, number, number, number], [number, number, number, number]>;

/** A share from 0 to below one half, so that something remains of a side that loses it at both ends. */
const share = v.pipe(
  v.number(),
  v.check((value) => value >= 0 && value < 0.5, "expected a share from 0 to below 0.5, such as 0.15"),
);

const trainablePart = v.pipe(
  v.string(),
  v.regex(/^(all|head|last:[1-9]\d*)$/, "expected all, head or last:N, such as last:2"),
);

/**
 * Configuration of Stage 2: the one home of its names, rules, defaults and descriptions. `villa stage2` and YAML files
 * write the same names in snake_case, which are then those of the reference.
 */
export const stage2Schema = v.strictObject({
  dataDir: requiredSetting(
    filledText(),
    "dataset folder with images and, for `pairs=mapping`, `mapping_<split>.feather`",
  ),
  taskName: setting(filledText(), { fallback: "docmnist_stage2", help: "results go to `checkpoint_dir/task_name`" }),
  checkpointDir: setting(filledText(), { fallback: "checkpoints", help: "folder of the results of all runs" }),
  seed: setting(whole(0, 2 ** 32 - 1), { fallback: 23, help: "starting weights, order of the images" }),
  pairs: setting(v.picklist(["mapping", "image", "oracle"]), {
    fallback: "mapping",
    help: "`mapping`: regions with the text that Stage 1 assigned (ViLLA); `image`: whole images with whole texts, the usual way; `oracle`: true attributes",
  }),
  batchSize: setting(whole(1), { fallback: 256, help: "images a step" }),
  microBatch: setting(whole(0), {
    fallback: 32,
    help: "images that pass through the tower at once. Loss and gradients stay those of the batch; BatchNorm sees one such chunk at a time. With RN50 and 6 regions an image, 32 take 3.4 GB, whatever the batch size. `0`: the whole batch, as in the original",
  }),
  stepsPerEpoch: setting(v.nullable(whole(1)), {
    fallback: null,
    help: "`null`: one pass over the images; a number makes runs comparable whatever the number of images",
  }),
  epochs: setting(whole(1), { fallback: 100, help: "at most" }),
  /** Form of the model. */
  model: settingGroup({
    encoder: setting(v.nullable(filledText()), {
      fallback: null,
      help: "encoder to start from in place of `model.weights`: a model's folder (Hugging Face, OpenCLIP), `hf:ORG/NAME`, a file of weights, a checkpoint",
    }),
    weights: setting(v.nullable(filledText()), {
      fallback: null,
      help: "CLIP weights to start from: `RN50.pt`, a torch state dict or safetensors. `null`: random weights of the sizes below",
    }),
    trainable: setting(trainablePart, {
      fallback: "all",
      help: "which weights change: `all`, `last:N` (the last N blocks and what follows them), or `head` (what follows the last block)",
    }),
    regions: setting(v.picklist(["roi-align", "mask"]), {
      fallback: "roi-align",
      help: "`roi-align`: regions are their boxes, cut from the feature map (ViLLA); `mask`: the mean of the patch tokens that a region's mask covers, or its box where it has none (vision transformers). A checkpoint remembers it, and whatever opens the checkpoint embeds regions the same way",
    }),
    width: setting(whole(2), { fallback: 64, help: "channels of the first stage; RN50's" }),
    layers: setting(layers, { fallback: [3, 4, 6, 3], help: "blocks of the four stages; RN50's" }),
    embDim: setting(whole(1), { fallback: 1024, help: "length of the embeddings" }),
    cropSide: setting(v.nullable(whole(16)), {
      fallback: null,
      help: "of a model from random weights. `null`: regions are cut from the feature map of the whole image, which has a cell for 16 × 16 pixels (the paper's); a number: each region is cut out of its picture and scaled to a square of this side, so that small regions are seen in full",
    }),
  }),
  textEncoder: setting(filledText(), {
    fallback: "auto",
    help: "`auto`: the text side of the weights, or `hashed` words where they have none; `hashed`, which needs no weights; `clip`; a folder or `hf:ORG/NAME` of another text encoder",
  }),
  /** How training pictures vary from step to step. */
  augment: settingGroup({
    flip: setting(v.boolean(), {
      fallback: false,
      help: "mirror every other picture; not where left and right matter, as in digits",
    }),
    shift: setting(share, {
      fallback: 0,
      help: "move every edge of a box by up to this share of the box's side, in or out, within the picture",
    }),
    light: setting(share, {
      fallback: 0,
      help: "change contrast by up to this share, and brightness by up to half of it; hues stay",
    }),
  }),
  /** The contrastive loss. */
  loss: settingGroup({
    name: setting(v.picklist(["infonce", "sigmoid"]), {
      fallback: "infonce",
      help: "`infonce`: each pair against the rest of the batch (ViLLA); `sigmoid`: every image-text pair on its own (SigLIP; start it with `loss.temp=0.1 loss.learn_temp=true`)",
    }),
    temp: setting(positive(), { fallback: 0.07, help: "τ of the contrastive loss" }),
    learnTemp: setting(v.boolean(), {
      fallback: false,
      help: "learn τ, and the bias of the sigmoid loss, from these values on",
    }),
    bias: setting(v.pipe(v.number(), v.finite()), { fallback: -10, help: "b of the sigmoid loss" }),
  }),
  /** The optimiser and its learning rate. */
  optimizer: settingGroup({
    lr: setting(positive(), { fallback: 5e-5, help: "learning rate of Adam; with `schedule=cosine` the highest one" }),
    weightDecay: setting(notNegative(), {
      fallback: 0.2,
      help: "added to the gradient, as torch's `Adam` does; not of a learned τ",
    }),
    schedule: setting(v.picklist(["plateau", "cosine"]), {
      fallback: "plateau",
      help: "`plateau`: the learning rate is halved when the validation loss no longer falls; `cosine`: falls to zero over all `epochs`",
    }),
    warmupSteps: setting(whole(0), {
      fallback: 0,
      help: "with `schedule=cosine`: steps over which the learning rate rises at first",
    }),
  }),
  /** When to stop before the last epoch. */
  earlyStop: settingGroup({
    patience: setting(whole(1), { fallback: 5, help: "epochs without a better validation loss" }),
  }),
  resume: setting(v.picklist(["auto", "never"]), {
    fallback: "auto",
    help: "`auto` goes on where a run with the same settings and pairs stood; `never` starts anew, and earlier results stay until the new ones are there",
  }),
});

/** A checked configuration of Stage 2; {@link stage2Schema} describes each setting. */
export interface Stage2Config extends v.InferOutput<typeof stage2Schema> {}

/** Settings of Stage 2 as a program gives them: `dataDir`, and whatever differs from the defaults. */
export interface Stage2Settings extends v.InferInput<typeof stage2Schema> {}

/** Built-in experiments by name, as overrides of the defaults. */
export const stage2Experiments = {
  docmnist_stage2: {
    taskName: "docmnist_stage2",
    dataDir: "data/docmnist_30000_15.2",
    model: { weights: "clip.pth" },
  },
  /**
   * A small tower from random weights with hashed words: runs offline, on a CPU, in minutes. It sees crops, and training
   * pictures vary: of the recipes that were tried on a few hundred images it finds most, see docs/small-data.md.
   */
  docmnist_stage2_small: {
    taskName: "docmnist_stage2_small",
    dataDir: "data/docmnist_30000_15.2",
    batchSize: 16,
    microBatch: 0,
    epochs: 30,
    model: { weights: null, width: 8, layers: [1, 1, 1, 1], embDim: 64, cropSide: 32 },
    textEncoder: "hashed",
    augment: { shift: 0.15, light: 0.2 },
    optimizer: { lr: 1e-3, weightDecay: 0, schedule: "cosine" },
    earlyStop: { patience: 30 },
  },
  /** The small tower with regions from maps of whole images, as in the paper: what quickstart and experiments compare. */
  docmnist_stage2_small_roi: {
    taskName: "docmnist_stage2_small_roi",
    dataDir: "data/docmnist_30000_15.2",
    batchSize: 32,
    microBatch: 0,
    epochs: 10,
    model: { weights: null, width: 8, layers: [1, 1, 1, 1], embDim: 64 },
    textEncoder: "hashed",
    optimizer: { lr: 1e-3, weightDecay: 0 },
  },
} as const satisfies Readonly<Record<string, Stage2Settings>>;

/**
 * A checked configuration of Stage 2, with the defaults for settings that are not given.
 *
 * @param options `experiment`: a built-in one whose settings hold where none are given, in place of the defaults
 * @example
 * stage2Config({ dataDir: "data/docmnist_30000_15.2", epochs: 6 }, { experiment: "docmnist_stage2_small" });
 * @throws VillaError `InvalidArgument` naming every setting that is unknown, missing or out of range
 */
export function stage2Config(
  settings: Stage2Settings,
  options: { readonly experiment?: keyof typeof stage2Experiments | undefined } = {},
): Stage2Config {
  checkArgument("settings", settings, "object");
  checkArgument("options?", options, {
    "experiment?": "'docmnist_stage2' | 'docmnist_stage2_small' | 'docmnist_stage2_small_roi'",
  });
  const { experiment } = options;

  const config = checkConfig(stage2Schema, mergeSettings(experiment ? stage2Experiments[experiment] : {}, settings));
  if (config.optimizer.warmupSteps > 0 && config.optimizer.schedule === "plateau") {
    throw new VillaError("InvalidArgument", "optimizer.warmup_steps needs optimizer.schedule=cosine.");
  }
  return config;
}

const { batchSize, microBatch, stepsPerEpoch, epochs, seed, model, augment, loss, optimizer, earlyStop } =
  stage2Schema.entries;

/** The settings that training without files takes, with the same rules and defaults. */
export const contrastiveSettingsSchema = v.object({
  batchSize,
  microBatch,
  stepsPerEpoch,
  epochs,
  seed,
  trainable: model.wrapped.entries.trainable,
  augment,
  loss: loss.wrapped.entries.name,
  temperature: loss.wrapped.entries.temp,
  learnTemperature: loss.wrapped.entries.learnTemp,
  bias: loss.wrapped.entries.bias,
  learningRate: optimizer.wrapped.entries.lr,
  weightDecay: optimizer.wrapped.entries.weightDecay,
  schedule: optimizer.wrapped.entries.schedule,
  warmupSteps: optimizer.wrapped.entries.warmupSteps,
  patience: earlyStop.wrapped.entries.patience,
});

/** The part of the configuration that {@link contrastiveSettingsSchema} covers. */
export function contrastiveSettings({ model, augment, loss, optimizer, earlyStop, ...config }: Stage2Config) {
  const { batchSize, microBatch, stepsPerEpoch, epochs, seed } = config;
  return {
    batchSize,
    microBatch,
    stepsPerEpoch,
    epochs,
    seed,
    trainable: model.trainable,
    augment,
    loss: loss.name,
    temperature: loss.temp,
    learnTemperature: loss.learnTemp,
    bias: loss.bias,
    learningRate: optimizer.lr,
    weightDecay: optimizer.weightDecay,
    schedule: optimizer.schedule,
    warmupSteps: optimizer.warmupSteps,
    patience: earlyStop.patience,
  };
}

/** `all`, `head` or `last:N` as towers take it. */
export function trainablePartOf(setting: string): TrainablePart {
  return setting === "all" || setting === "head" ? setting : { last: Number(setting.slice("last:".length)) };
}
