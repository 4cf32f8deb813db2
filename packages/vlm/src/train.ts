import type * as tf from "@tensorflow/tfjs-core";
import {
  Adam,
  type CheckpointStore,
  type MetricsLog,
  ReduceLROnPlateau,
  type TrainResult,
  trainLoop,
} from "@villa/core";
import { type ProgressListener, RandomState, VillaError } from "@villa/data";
import type { ImageTower } from "@villa/encoders";
import { type ContrastiveBatch, disposeBatch } from "./batch.ts";
import { contrastiveGradients, contrastiveLoss } from "./step.ts";

/** Images with their region-text pairs, loaded batch by batch. */
export interface ContrastiveData {
  /** Images. */
  readonly length: number;
  /** Loads the images at these positions. The caller disposes the batch. */
  batch(indices: ArrayLike<number>): Promise<ContrastiveBatch>;
}

/** Defaults are those of the original implementation. */
export interface TrainContrastiveOptions {
  /** Default 5e-5. */
  readonly learningRate?: number | undefined;
  /** Added to the gradient as an L2 term (torch's `Adam`, not AdamW). Default 0.2. */
  readonly weightDecay?: number | undefined;
  /** Images a step. Default 256. */
  readonly batchSize?: number | undefined;
  /** Images that pass through the tower at once; 0 = the whole batch. See `contrastiveGradients`. Default 32. */
  readonly microBatch?: number | undefined;
  /** Steps between two validations; default: as many as one pass over the images makes. */
  readonly stepsPerEpoch?: number | undefined;
  /** Default 100. */
  readonly epochs?: number | undefined;
  /** Default 0.07. */
  readonly temperature?: number | undefined;
  /** Epochs without a better validation loss after which training stops. Default 5. */
  readonly patience?: number | undefined;
  /** Order of the images. Default 23. */
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
  const { learningRate = 5e-5, weightDecay = 0.2, batchSize = 256, epochs = 100, temperature = 0.07 } = options;
  const { patience = 5, seed = 23, microBatch = 32, checkpoints, resume, metrics, extra, progress, signal } = options;
  checkPositive({ learningRate, batchSize, epochs, temperature });
  if (train.length === 0) throw new VillaError("Mismatch", "The training split has no image with a region-text pair.");

  const optimizer = new Adam({ parameters: tower.trainableVariables(), learningRate, weightDecay });
  try {
    return await trainLoop({
      examples: train.length,
      batchSize: Math.min(batchSize, train.length),
      epochs,
      stepsPerEpoch: options.stepsPerEpoch,
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
      validate: val && val.length > 0 ? () => validationLoss(tower, val, batchSize, temperature) : undefined,
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
async function validationLoss(tower: ImageTower, data: ContrastiveData, batchSize: number, temperature: number) {
  let sum = 0;
  let batches = 0;
  for (let start = 0; start < data.length; start += batchSize) {
    const length = Math.min(batchSize, data.length - start);
    const batch = await data.batch(Array.from({ length }, (_, i) => start + i));
    if (batch.pairs >= 2) {
      sum += await contrastiveLoss(tower, batch, temperature);
      batches++;
    }
    disposeBatch(batch);
  }
  return sum / batches;
}

function checkPositive(settings: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(settings)) {
    if (value > 0 && Number.isFinite(value)) continue;
    throw new VillaError("InvalidArgument", `${name} must be a positive number, not ${value}.`);
  }
}
