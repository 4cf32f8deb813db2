import { checkConfig } from "@villa/core";
import * as v from "valibot";
import { type Stage1Config, stage1Schema } from "../config.ts";

/** How heads are trained. Rules and defaults are those of the settings of the same meaning in {@link stage1Schema}. */
export interface TrainOptions {
  /** Passes over the training split. */
  readonly epochs: number;
  /** Images a batch; an incomplete last batch is dropped. */
  readonly batchSize: number;
  /** Decides the starting weights and the order of the images. */
  readonly seed: number;
  /** τ of the loss. */
  readonly temperature: number;
  /** Of AdamW, as the next three. */
  readonly learningRate: number;
  readonly betas: readonly [number, number];
  readonly adamEpsilon: number;
  readonly weightDecay: number;
  /** "constant" is the reference; "cosine" falls to zero along half a cosine. */
  readonly schedule: "constant" | "cosine";
  /** Steps over which the learning rate rises from zero. */
  readonly warmupSteps: number;
}

const { epochs, batchSize, seed, loss, optimizer } = stage1Schema.entries;
const { lr, betas, eps, weightDecay, schedule, warmupSteps } = optimizer.wrapped.entries;
const trainOptionsSchema = v.object({
  epochs,
  batchSize,
  seed,
  temperature: loss.wrapped.entries.temp,
  learningRate: lr,
  betas,
  adamEpsilon: eps,
  weightDecay,
  schedule,
  warmupSteps,
});

/**
 * Checked options with the defaults filled in; other settings are left out.
 *
 * @throws VillaError `InvalidArgument` naming every option that is out of range
 */
export function trainOptions(options: Partial<TrainOptions> = {}): TrainOptions {
  return checkConfig(trainOptionsSchema, options);
}

/** The part of the configuration that {@link TrainOptions} covers. */
export function trainOptionsOfConfig(config: Stage1Config): TrainOptions {
  const { lr, eps, ...optimizer } = config.optimizer;
  const { epochs, batchSize, seed, loss } = config;
  return { epochs, batchSize, seed, temperature: loss.temp, learningRate: lr, adamEpsilon: eps, ...optimizer };
}

/** Learning rate of step `step` (from 0) of `totalSteps`. */
export function learningRateAt(step: number, totalSteps: number, options: TrainOptions): number {
  const warm = options.warmupSteps > 0 ? Math.min(1, (step + 1) / options.warmupSteps) : 1;
  if (options.schedule === "constant") return options.learningRate * warm;
  return options.learningRate * warm * 0.5 * (1 + Math.cos((Math.PI * step) / Math.max(1, totalSteps)));
}
