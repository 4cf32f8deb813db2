import type * as tf from "@tensorflow/tfjs-core";
import {
  Adam,
  type CheckpointStore,
  checkConfig,
  type MetricsLog,
  ReduceLROnPlateau,
  type TrainResult,
  trainLoop,
} from "@villa/core";
import { type ProgressListener, RandomState, VillaError } from "@villa/data";
import type { ImageTower } from "@villa/encoders";
import { type ContrastiveBatch, disposeBatch } from "./batch.ts";
import { contrastiveSettingsSchema } from "./config.ts";
import { contrastiveGradients, contrastiveLoss } from "./step.ts";

/** Images with their region-text pairs, loaded batch by batch. */
export interface ContrastiveData {
  /** Images. */
  readonly length: number;
  /** Loads the images at these positions. The caller disposes the batch. */
  batch(indices: ArrayLike<number>): Promise<ContrastiveBatch>;
}

/** Rules and defaults are those of the settings of the same meaning in `stage2Schema`. */
export interface TrainContrastiveOptions {
  readonly learningRate?: number | undefined;
  /** Added to the gradient as an L2 term (torch's `Adam`, not AdamW). */
  readonly weightDecay?: number | undefined;
  /** Images a step. */
  readonly batchSize?: number | undefined;
  /** Images that pass through the tower at once; 0 = the whole batch. See `contrastiveGradients`. */
  readonly microBatch?: number | undefined;
  /** Steps between two validations; null: as many as one pass over the images makes. */
  readonly stepsPerEpoch?: number | null | undefined;
  /** At most. */
  readonly epochs?: number | undefined;
  /** τ of the loss. */
  readonly temperature?: number | undefined;
  /** Epochs without a better validation loss after which training stops. */
  readonly patience?: number | undefined;
  /** Order of the images. */
  readonly seed?: number | undefined;
  /** Keeps the weights: `folderCheckpoints` of `@villa/core/node`, or your own. */
  readonly checkpoints?: CheckpointStore | undefined;
  /** Continues from the latest checkpoint when there is one; the result equals an uninterrupted run's. */
  readonly resume?: boolean | undefined;
  readonly metrics?: MetricsLog | undefined;
  /** Stored in each checkpoint, e.g. the configuration. */
  readonly extra?: Readonly<Record<string, unknown>> | undefined;
  readonly progress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Trains the image tower to match region-text pairs (ViLLA's Stage 2): Adam with L2 decay, the learning rate halved on a
 * plateau of the validation loss, stopped early. The tower's weights are changed in place and end as the last epoch's.
 *
 * @throws VillaError `InvalidArgument` for settings out of range, `NotFinite` when the loss diverges, `Aborted`
 * @see ViLLA paper, section 3.3
 */
export async function trainContrastive(
  tower: ImageTower,
  { train, val }: { readonly train: ContrastiveData; readonly val?: ContrastiveData | undefined },
  options: TrainContrastiveOptions = {},
): Promise<TrainResult> {
  const { learningRate, weightDecay, batchSize, microBatch, epochs, temperature, patience, seed, stepsPerEpoch } =
    checkConfig(contrastiveSettingsSchema, options);
  const { checkpoints, resume, metrics, extra, progress, signal } = options;
  if (train.length === 0) throw new VillaError("Mismatch", "The training split has no image with a region-text pair.");

  const optimizer = new Adam({ parameters: tower.trainableVariables(), learningRate, weightDecay });
  try {
    return await trainLoop({
      examples: train.length,
      batchSize: Math.min(batchSize, train.length),
      epochs,
      stepsPerEpoch: stepsPerEpoch ?? undefined,
      random: new RandomState(seed),
      optimizer,
      variables: tower.parameters as ReadonlyMap<string, tf.Variable>,
      scheduler: new ReduceLROnPlateau({ optimizer }),
      patience,
      step: async (indices) => {
        const batch = await train.batch(indices);
        try {
          return await contrastiveGradients(tower, batch, { temperature, microBatch });
        } finally {
          disposeBatch(batch);
        }
      },
      validate: val && val.length > 0 ? () => validationLoss(tower, val, { batchSize, temperature }) : undefined,
      checkpoints,
      resume,
      metrics,
      extra,
      progress,
      signal,
    });
  } finally {
    optimizer.dispose();
  }
}

/** Mean loss of the batches, in evaluation mode. */
async function validationLoss(
  tower: ImageTower,
  data: ContrastiveData,
  { batchSize, temperature }: { readonly batchSize: number; readonly temperature: number },
): Promise<number> {
  let sum = 0;
  let batches = 0;
  for (let start = 0; start < data.length; start += batchSize) {
    const length = Math.min(batchSize, data.length - start);
    const batch = await data.batch(Array.from({ length }, (_, i) => start + i));
    if (batch.pairs >= 2) {
      sum += await contrastiveLoss(tower, batch, { temperature });
      batches++;
    }
    disposeBatch(batch);
  }
  return sum / batches;
}
