import * as tf from "@tensorflow/tfjs-core";
import {
  Adam,
  EarlyStopping,
  type EarlyStoppingState,
  type OptimizerState,
  ReduceLROnPlateau,
  type ReduceLROnPlateauState,
} from "@villa/core";
import { type ProgressListener, RandomState, type RandomStateSnapshot, VillaError } from "@villa/data";
import type { ModifiedResNet } from "@villa/preprocess";
import { type ContrastiveBatch, disposeBatch } from "./batch.ts";
import { contrastiveGradients, contrastiveLoss } from "./step.ts";

/** Images with their region-text pairs, loaded batch by batch. */
export interface ContrastiveData {
  /** Images. */
  readonly length: number;
  /** Loads the images at these positions. The caller disposes the batch. */
  batch(indices: readonly number[]): Promise<ContrastiveBatch>;
}

/** Defaults are those of the original implementation. */
export interface TrainContrastiveOptions {
  /** Default 5e-5. */
  readonly learningRate?: number;
  /** Added to the gradient as an L2 term (torch's `Adam`, not AdamW). Default 0.2. */
  readonly weightDecay?: number;
  /** Images a step. Default 256. */
  readonly batchSize?: number;
  /** Images that pass through the tower at once; 0 = the whole batch. See `contrastiveGradients`. Default 32. */
  readonly microBatch?: number;
  /** Default 100. */
  readonly epochs?: number;
  /** Stop after this many steps, wherever in an epoch; 0 = no limit. Default 0. */
  readonly maxSteps?: number;
  /** Default 0.07. */
  readonly temperature?: number;
  /** Epochs without a better validation loss after which training stops. Default 5. */
  readonly patience?: number;
  /** Order of the images. Default 23. */
  readonly seed?: number;
  readonly progress?: ProgressListener;
  readonly signal?: AbortSignal;
  /** Continues from a state that `onEpoch` was given, exactly; the tower must hold the weights of that moment. */
  readonly resume?: ContrastiveState;
  /** Called after each epoch, before the next one starts: save the tower's weights and `state` here. */
  readonly onEpoch?: (epoch: ContrastiveEpoch, state: () => Promise<ContrastiveState>) => Promise<void>;
}

/** One line of the training log. */
export interface ContrastiveEpoch {
  /** 1-based. */
  readonly epoch: number;
  /** Steps taken so far. */
  readonly steps: number;
  readonly trainLoss: number;
  /** Mean loss of the validation batches in evaluation mode; the training loss when there is no validation data. */
  readonly valLoss: number;
  readonly learningRate: number;
  readonly isBest: boolean;
  readonly seconds: number;
}

/** Everything besides the weights that an interrupted run needs to go on as if it had not been. */
export interface ContrastiveState {
  readonly epochs: readonly ContrastiveEpoch[];
  readonly optimizer: OptimizerState;
  readonly plateau: ReduceLROnPlateauState;
  readonly stopping: EarlyStoppingState;
  readonly random: RandomStateSnapshot;
  readonly finished: boolean;
}

/**
 * Trains the image tower to match region-text pairs (ViLLA's Stage 2).
 *
 * @param tower weights are changed in place
 * @returns the log; a run whose `signal` fired throws `Aborted` instead, after the step at hand
 * @throws VillaError `InvalidArgument` for settings out of range, `NotFinite` when the loss diverges
 * @see ViLLA paper, section 3.3
 */
export async function trainContrastive(
  tower: ModifiedResNet,
  { train, val }: { readonly train: ContrastiveData; readonly val?: ContrastiveData },
  options: TrainContrastiveOptions = {},
): Promise<ContrastiveEpoch[]> {
  const { epochs = 100, batchSize = 256, maxSteps = 0, seed = 23, patience = 5, temperature = 0.07 } = options;
  const { learningRate = 5e-5, weightDecay = 0.2, microBatch = 32, resume, onEpoch, progress, signal } = options;
  checkSettings({ epochs, batchSize, learningRate, temperature }, train);

  const optimizer = new Adam({ parameters: tower.trainableVariables(), learningRate, weightDecay });
  const plateau = new ReduceLROnPlateau({ optimizer });
  const stopping = new EarlyStopping(patience);
  const random = new RandomState(seed);
  const log: ContrastiveEpoch[] = [...(resume?.epochs ?? [])];
  if (resume) {
    optimizer.loadState(resume.optimizer);
    plateau.loadState(resume.plateau);
    stopping.loadState(resume.stopping);
    random.setState(resume.random);
  }
  const perEpoch = Math.ceil(train.length / batchSize);
  let steps = log.at(-1)?.steps ?? 0;
  let finished = resume?.finished ?? false;
  try {
    while (!finished && log.length < epochs) {
      const started = performance.now();
      const epoch = log.length + 1;
      const order = random.permutation(train.length);
      const losses: number[] = [];
      for (let start = 0; start < order.length && !(maxSteps && steps >= maxSteps); start += batchSize) {
        if (signal?.aborted)
          throw new VillaError("Aborted", `Stage 2 was stopped in epoch ${epoch}; it can be resumed.`);
        const batch = await train.batch([...order.subarray(start, start + batchSize)]);
        try {
          if (batch.pairs < 2) continue; // a last batch of one pair has nothing to contrast
          const { loss, gradients } = contrastiveGradients(tower, batch, { temperature, microBatch });
          optimizer.step(gradients);
          tf.dispose(gradients);
          losses.push(loss);
          steps++;
        } finally {
          disposeBatch(batch);
        }
        const done = Math.ceil((start + batchSize) / batchSize);
        progress?.({
          task: `epoch ${epoch}`,
          done: Math.min(done, perEpoch),
          total: perEpoch,
          unit: "steps",
          metrics: { loss: losses.at(-1)! },
        });
      }
      const trainLoss = mean(losses);
      const valLoss = val && val.length > 0 ? await validate(tower, val, batchSize, temperature) : trainLoss;
      const usedRate = optimizer.learningRate;
      const { improved, stop } = stopping.step(valLoss, epoch);
      plateau.step(valLoss);
      finished = stop || epoch === epochs || (maxSteps > 0 && steps >= maxSteps);
      const seconds = (performance.now() - started) / 1000;
      log.push({ epoch, steps, trainLoss, valLoss, learningRate: usedRate, isBest: improved, seconds });
      const state = async (): Promise<ContrastiveState> => ({
        epochs: [...log],
        optimizer: await optimizer.state(),
        plateau: plateau.state(),
        stopping: stopping.state(),
        random: random.getState(),
        finished,
      });
      await onEpoch?.(log.at(-1)!, state);
    }
  } finally {
    optimizer.dispose();
  }
  return log;
}

async function validate(tower: ModifiedResNet, data: ContrastiveData, batchSize: number, temperature: number) {
  const losses: number[] = [];
  for (let start = 0; start < data.length; start += batchSize) {
    const indices = Array.from({ length: Math.min(batchSize, data.length - start) }, (_, i) => start + i);
    const batch = await data.batch(indices);
    if (batch.pairs >= 2) losses.push(contrastiveLoss(tower, batch, temperature));
    disposeBatch(batch);
  }
  return mean(losses);
}

function checkSettings(settings: Readonly<Record<string, number>>, train: ContrastiveData): void {
  for (const [name, value] of Object.entries(settings)) {
    if (!(value > 0 && Number.isFinite(value))) {
      throw new VillaError("InvalidArgument", `${name} must be a positive number, not ${value}.`);
    }
  }
  if (train.length === 0) throw new VillaError("Mismatch", "The training split has no image with a region-text pair.");
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
