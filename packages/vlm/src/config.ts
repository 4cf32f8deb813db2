import { VillaError } from "@villa/data";
import * as v from "valibot";

const positive = v.pipe(v.number(), v.finite(), v.gtValue(0));
const whole = (least: number) => v.pipe(v.number(), v.safeInteger(), v.minValue(least));
/** Blocks of layer1 … layer4, as a list or written "1,1,1,1". */
const layers = v.pipe(
  v.union([v.string(), v.array(v.number())]),
  v.transform((value) => (typeof value === "string" ? value.split(",").map(Number) : value)),
  v.check(
    (blocks) => blocks.length === 4 && blocks.every((count) => Number.isSafeInteger(count) && count >= 1),
    "expected four whole numbers of at least 1, such as 3,4,6,3",
  ),
  v.tuple([v.number(), v.number(), v.number(), v.number()]),
);

/**
 * Configuration of Stage 2. The names are those of the reference's YAML, so its overrides work as they are; what has no
 * counterpart there is described here.
 */
export const stage2Schema = v.strictObject({
  task_name: v.pipe(v.string(), v.nonEmpty()),
  seed: v.pipe(whole(0), v.maxValue(2 ** 32 - 1)),
  /** Dataset folder with annotations, images and, for `pairs=mapping`, Stage 1's mapping_<split>.feather. */
  data_dir: v.pipe(v.string(), v.nonEmpty()),
  /** Results go to `<checkpoint_dir>/<task_name>`. */
  checkpoint_dir: v.pipe(v.string(), v.nonEmpty()),
  /** Which region-text pairs to learn from. */
  pairs: v.picklist(["mapping", "image", "oracle"]),
  /** Images a step. */
  batch_size: whole(1),
  /** Images that pass through the tower at once; 0 = the whole batch. BatchNorm sees one such chunk at a time. */
  micro_batch: whole(0),
  /** Steps between two validations; null = as many as one pass over the images makes. */
  steps_per_epoch: v.nullable(whole(1)),
  epochs: whole(1),
  model: v.strictObject({
    /** CLIP weights to start from: RN50.pt, a torch state dict or safetensors. null = random weights of the sizes below. */
    weights: v.nullable(v.pipe(v.string(), v.nonEmpty())),
    /** Sizes of a tower that starts from random weights. */
    width: whole(2),
    layers,
    emb_dim: whole(1),
  }),
  /** Text side: CLIP's own, hashed words (needs no weights), or whichever the weights have. */
  text_encoder: v.picklist(["auto", "clip", "hashed"]),
  loss: v.strictObject({ temp: positive }),
  optimizer: v.strictObject({ lr: positive, weight_decay: v.pipe(v.number(), v.finite(), v.minValue(0)) }),
  early_stop: v.strictObject({ patience: whole(1) }),
  /** "auto" goes on where the run stood; "never" starts anew. */
  resume: v.picklist(["auto", "never"]),
});

/** A checked configuration of Stage 2; {@link stage2Schema} describes each setting. */
export interface Stage2Config extends v.InferOutput<typeof stage2Schema> {}

/** Everything but `data_dir`, which has no default. The values are the reference's where it has them. */
export const stage2Defaults: Omit<Stage2Config, "data_dir"> = {
  task_name: "docmnist_stage2",
  seed: 23,
  checkpoint_dir: "checkpoints",
  pairs: "mapping",
  batch_size: 256,
  micro_batch: 32,
  steps_per_epoch: null,
  epochs: 100,
  model: { weights: null, width: 64, layers: [3, 4, 6, 3], emb_dim: 1024 },
  text_encoder: "auto",
  loss: { temp: 0.07 },
  optimizer: { lr: 5e-5, weight_decay: 0.2 },
  early_stop: { patience: 5 },
  resume: "auto",
};

/** Built-in experiments by name, as overrides of the defaults. */
export const stage2Experiments = {
  docmnist_stage2: {
    task_name: "docmnist_stage2",
    data_dir: "data/docmnist_30000_15.2",
    model: { weights: "clip.pth" },
  },
  /** A small tower from random weights with hashed words: runs offline, on a CPU, in minutes. */
  docmnist_stage2_small: {
    task_name: "docmnist_stage2_small",
    data_dir: "data/docmnist_30000_15.2",
    batch_size: 32,
    micro_batch: 0,
    epochs: 10,
    model: { weights: null, width: 8, layers: [1, 1, 1, 1], emb_dim: 64 },
    text_encoder: "hashed",
    optimizer: { lr: 1e-3, weight_decay: 0 },
  },
} as const;

/** @throws VillaError `InvalidArgument` naming the first key that is unknown or out of range */
export function parseStage2Config(config: unknown): Stage2Config {
  const result = v.safeParse(stage2Schema, config);
  if (result.success) return result.output;
  const issue = result.issues[0];
  throw new VillaError(
    "InvalidArgument",
    `${v.getDotPath(issue) ?? "the configuration"} is not right: ${issue.message}.`,
  );
}
