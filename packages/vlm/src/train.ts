import type * as tf from "@tensorflow/tfjs-core";
import {
  Adam,
  type CheckpointStore,
  CosineSchedule,
  checkConfig,
  type MetricsLog,
  ReduceLROnPlateau,
  stepsPerEpoch as stepsOfEpoch,
  type TrainResult,
  trainLoop,
} from "@villa/core";
import { checkArgument, type ProgressListener, RandomState, VillaError } from "@villa/data";
import type { ImageTower } from "@villa/encoders";
import { type Augmentation, type AugmentOptions, augmentation } from "./augment.ts";
import { type ContrastiveBatch, disposeBatch } from "./batch.ts";
import { contrastiveSettingsSchema, trainablePartOf } from "./config.ts";
import { type ContrastiveObjective, contrastiveObjective } from "./objective.ts";
import { towerRule } from "./region-encoder.ts";
import { contrastiveGradients, contrastiveLoss } from "./step.ts";

/** Images with their region-text pairs, loaded batch by batch. */
export interface ContrastiveData {
  /** Images. */
  readonly length: number;
  /**
   * Loads the images at these positions. The caller disposes the batch.
   *
   * @param augment for training: applied to one image after another, in the order of `indices`
   */
  batch(indices: ArrayLike<number>, augment?: Augmentation | undefined): Promise<ContrastiveBatch>;
}

/** Rules and defaults are those of the settings of the same meaning in `stage2Schema`. */
export interface TrainContrastiveOptions {
  /** Which weights change: `all` (default), `last:N` or `head`. Statistics of BatchNorm move wherever the tower has it. */
  readonly trainable?: string | undefined;
  readonly learningRate?: number | undefined;
  /** `plateau` (default) or `cosine`. */
  readonly schedule?: "plateau" | "cosine" | undefined;
  /** Of the cosine schedule. */
  readonly warmupSteps?: number | undefined;
  /** Added to the gradient as an L2 term (torch's `Adam`, not AdamW). */
  readonly weightDecay?: number | undefined;
  /** Images a step. */
  readonly batchSize?: number | undefined;
  /** Images that pass through the tower at once; 0 = the whole batch. See `contrastiveGradients`. */
  readonly microBatch?: number | undefined;
  /** Steps between two validations; null: as many as one pass over the images makes. */
  readonly stepsPerEpoch?: number | null | undefined;
  /** Passes over the training images, at most. */
  readonly epochs?: number | undefined;
  /** How training pictures vary, drawn from `seed`. Default: not at all. */
  readonly augment?: AugmentOptions | undefined;
  /** `infonce` (default) or `sigmoid`. */
  readonly loss?: "infonce" | "sigmoid" | undefined;
  /** τ of the loss, or where a learned one starts. */
  readonly temperature?: number | undefined;
  /** Learn τ, and the sigmoid loss's bias. */
  readonly learnTemperature?: boolean | undefined;
  /** b of the sigmoid loss. */
  readonly bias?: number | undefined;
  /** Epochs without a better validation loss after which training stops. */
  readonly patience?: number | undefined;
  /** Decides the order of the images and how they vary. */
  readonly seed?: number | undefined;
  /** Keeps the weights: `folderCheckpoints` of `@villa/core/node`, or your own. */
  readonly checkpoints?: CheckpointStore | undefined;
  /** Continues from the latest checkpoint when there is one; the result equals an uninterrupted run's. */
  readonly resume?: boolean | undefined;
  readonly metrics?: MetricsLog | undefined;
  /** Stored in each checkpoint, e.g. the configuration. */
  readonly extra?: Readonly<Record<string, unknown>> | undefined;
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Trains the image tower to match region-text pairs (ViLLA's Stage 2): Adam with L2 decay, the learning rate halved on a
 * plateau of the validation loss or along a cosine, stopped early. The tower's weights are changed in place and end as the
 * last epoch's.
 *
 * @throws VillaError `InvalidArgument` for settings out of range, `NotFinite` when the loss diverges, `Aborted`
 * @see ViLLA paper, section 3.3
 */
export async function trainContrastive(
  tower: ImageTower,
  input: { readonly train: ContrastiveData; readonly val?: ContrastiveData | undefined },
  options: TrainContrastiveOptions = {},
): Promise<TrainResult> {
  checkArgument("tower", tower, towerRule);
  checkArgument("input", input, {
    train: { length: "count", batch: "function" },
    "val?": { length: "count", batch: "function" },
  });
  checkArgument("options?", options, {
    "trainable?": "text",
    "learningRate?": "number",
    "schedule?": "'plateau' | 'cosine'",
    "warmupSteps?": "number",
    "weightDecay?": "number",
    "batchSize?": "count",
    "microBatch?": "number",
    "stepsPerEpoch?": "null | number",
    "epochs?": "count",
    "augment?": { "flip?": "boolean", "shift?": "number", "light?": "number" },
    "loss?": "'infonce' | 'sigmoid'",
    "temperature?": "number",
    "learnTemperature?": "boolean",
    "bias?": "number",
    "patience?": "number",
    "seed?": "number",
    "checkpoints?": { saveLast: "function", markBest: "function", loadLast: "function" },
    "resume?": "boolean",
    "metrics?": { write: "function", "rewind?": "function" },
    "extra?": "object",
    "onProgress?": "function",
    "signal?": "object",
  });
  const { train, val } = input;

  const checked = checkConfig(contrastiveSettingsSchema, options);
  const { learningRate, weightDecay, batchSize, microBatch, epochs, patience, seed, stepsPerEpoch } = checked;
  const { checkpoints, resume, metrics, extra, onProgress, signal } = options;
  if (train.length === 0) throw new VillaError("Mismatch", "The training split has no image with a region-text pair.");

  const batches = {
    examples: train.length,
    batchSize: Math.min(batchSize, train.length),
    stepsPerEpoch: stepsPerEpoch ?? undefined,
  };
  const random = new RandomState(seed);
  // From the same generator as the order, whose state checkpoints keep: a resumed run draws the same pictures.
  const augment = augmentation(checked.augment, random);
  const objective = contrastiveObjective(checked);
  const parameters = tower.trainableVariables(trainablePartOf(checked.trainable));
  const optimizer = new Adam({
    parameters: new Map([...parameters, ...objective.parameters]),
    learningRate,
    weightDecay,
    withoutDecay: new Set(objective.parameters.keys()),
  });
  try {
    return await trainLoop({
      ...batches,
      epochs,
      random,
      optimizer,
      variables: new Map([...(tower.parameters as ReadonlyMap<string, tf.Variable>), ...objective.parameters]),
      scheduler:
        checked.schedule === "plateau"
          ? new ReduceLROnPlateau({ optimizer })
          : new CosineSchedule({
              optimizer,
              warmupSteps: checked.warmupSteps,
              totalSteps: epochs * stepsOfEpoch(batches),
            }),
      patience,
      step: async (indices) => {
        const batch = await train.batch(indices, augment);
        try {
          objective.clamp();
          return await contrastiveGradients(tower, batch, { objective, microBatch, parameters });
        } finally {
          disposeBatch(batch);
        }
      },
      validate: val && val.length > 0 ? () => validationLoss(tower, val, { batchSize, objective }) : undefined,
      checkpoints,
      resume,
      metrics,
      extra,
      onProgress,
      signal,
    });
  } finally {
    optimizer.dispose();
    objective.dispose();
  }
}

/** Mean loss of the batches, in evaluation mode. */
async function validationLoss(
  tower: ImageTower,
  data: ContrastiveData,
  { batchSize, objective }: { readonly batchSize: number; readonly objective: ContrastiveObjective },
): Promise<number> {
  let sum = 0;
  let batches = 0;
  for (let start = 0; start < data.length; start += batchSize) {
    const length = Math.min(batchSize, data.length - start);
    const batch = await data.batch(Array.from({ length }, (_, i) => start + i));
    if (batch.pairs >= 2) {
      sum += await contrastiveLoss(tower, batch, objective);
      batches++;
    }
    disposeBatch(batch);
  }
  return sum / batches;
}
