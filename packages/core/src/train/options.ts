import type * as tf from "@tensorflow/tfjs-core";
import type { ProgressListener, RandomState } from "@villa/data";
import type { LearningRateSchedule, Optimizer } from "../optim/optimizer.ts";
import type { ReduceLROnPlateauState } from "../optim/plateau.ts";
import type { MetricsLog } from "../run/metrics.ts";
import type { LossAndGradients } from "./gradients.ts";
import type { Checkpoint } from "./state.ts";

/** What {@link trainLoop} trains, and how. */
export interface TrainOptions {
  /** Number of training examples; steps name them by index. */
  readonly examples: number;
  readonly batchSize: number;
  readonly epochs: number;
  /** Drops a last batch that is not full (default true, as the reference). */
  readonly dropLast?: boolean | undefined;
  /** Draws a new order each epoch (default true). */
  readonly shuffle?: boolean | undefined;
  /** Makes an epoch this many steps, of as many passes over the examples as that takes (default: one pass). */
  readonly stepsPerEpoch?: number | undefined;
  /** Draws the orders; `step` may draw from it too. */
  readonly random: RandomState;
  readonly optimizer: Optimizer;
  /** Parameters and buffers (running statistics) that checkpoints hold. */
  readonly variables: ReadonlyMap<string, tf.Variable>;
  /** Loss and gradients of one batch. The loop applies and frees the gradients. */
  readonly step: (indices: Int32Array, at: StepPosition) => LossAndGradients | Promise<LossAndGradients>;
  /** Validation loss after an epoch, counted from 1. Without it the mean training loss decides what is best. */
  readonly validate?: ((epoch: number) => number | Promise<number>) | undefined;
  readonly scheduler?: LearningRateSchedule<ReduceLROnPlateauState> | undefined;
  /** Stops after so many epochs without improvement (default never). */
  readonly patience?: number | undefined;
  readonly checkpoints?: CheckpointStore | undefined;
  /** Saves the latest checkpoint within epochs too, every so many steps. */
  readonly checkpointEverySteps?: number | undefined;
  /** Continues from the store's latest checkpoint when there is one. */
  readonly resume?: boolean | undefined;
  /** Stored in each checkpoint, e.g. the configuration. */
  readonly extra?: Readonly<Record<string, unknown>> | undefined;
  readonly metrics?: MetricsLog | undefined;
  readonly onProgress?: ProgressListener | undefined;
  /** Stops before the next step, saves, and throws `Aborted`. */
  readonly signal?: AbortSignal | undefined;
}

/** Where in the training a step is. */
export interface StepPosition {
  /** From 1. */
  readonly epoch: number;
  /** Step within the epoch, from 0. */
  readonly step: number;
}

/** What one epoch of {@link trainLoop} came to. */
export interface EpochResult {
  /** From 1. */
  readonly epoch: number;
  /** Mean loss of the epoch's steps. */
  readonly loss: number;
  readonly validationLoss?: number | undefined;
  /** After the schedule took the epoch's loss. */
  readonly learningRate: number;
  readonly improved: boolean;
}

/** How a training went. */
export interface TrainResult {
  /** Epochs of this call; those before a resumption are not repeated. */
  readonly history: readonly EpochResult[];
  /** From 1. */
  readonly bestEpoch: number | null;
  readonly bestLoss: number | null;
  readonly stoppedEarly: boolean;
}

/** Where a run's checkpoints go; `folderCheckpoints` of `@villa/core/node` keeps them in a folder. */
export interface CheckpointStore {
  /** Replaces the latest checkpoint. */
  saveLast(checkpoint: Checkpoint): Promise<void>;
  /** Remembers the latest checkpoint as the best one. */
  markBest(): Promise<void>;
  /** The latest checkpoint, if any. */
  loadLast(): Promise<Checkpoint | undefined>;
}
