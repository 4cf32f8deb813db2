import { VillaError } from "@villa/data";

/** How heads are trained. The defaults are the reference's. */
export interface TrainOptions {
  /** Passes over the training split. Default 30. */
  readonly epochs: number;
  /** Images a batch; an incomplete last batch is dropped. Default 48. */
  readonly batchSize: number;
  /** Decides the starting weights and the order of the images. Default 23. */
  readonly seed: number;
  /** τ of the loss. Default 0.07. */
  readonly temperature: number;
  /** AdamW. Defaults 1e-4, 0.9, 0.999, 1e-8 and 0.01. */
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  /** "constant" is the reference; "cosine" falls to zero along half a cosine. */
  readonly schedule: "constant" | "cosine";
  /** Steps over which the learning rate rises from zero. Default 0. */
  readonly warmupSteps: number;
}

/** The reference's settings. */
export const defaultTrainOptions: TrainOptions = {
  epochs: 30,
  batchSize: 48,
  seed: 23,
  temperature: 0.07,
  learningRate: 1e-4,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0.01,
  schedule: "constant",
  warmupSteps: 0,
};

/** @throws VillaError InvalidArgument naming the first option that is out of range */
export function checkTrainOptions(options: TrainOptions): void {
  const rules: readonly [keyof TrainOptions, boolean, string][] = [
    ["epochs", isWhole(options.epochs, 0), "a whole number of at least 0"],
    ["batchSize", isWhole(options.batchSize, 1), "a whole number of at least 1"],
    ["seed", isWhole(options.seed, 0) && options.seed < 2 ** 32, "a whole number from 0 to 4294967295"],
    // e^(1/τ) is shifted before it is taken, so only the quotient 1/τ itself has to stay finite.
    ["temperature", options.temperature >= 1e-6 && Number.isFinite(options.temperature), "at least 0.000001"],
    ["learningRate", options.learningRate >= 0 && Number.isFinite(options.learningRate), "a number of at least 0"],
    ["beta1", options.beta1 >= 0 && options.beta1 < 1, "at least 0 and below 1"],
    ["beta2", options.beta2 >= 0 && options.beta2 < 1, "at least 0 and below 1"],
    ["epsilon", options.epsilon >= 0 && Number.isFinite(options.epsilon), "a number of at least 0"],
    ["weightDecay", options.weightDecay >= 0 && Number.isFinite(options.weightDecay), "a number of at least 0"],
    ["warmupSteps", isWhole(options.warmupSteps, 0), "a whole number of at least 0"],
  ];
  for (const [name, valid, expected] of rules) {
    if (!valid) throw new VillaError("InvalidArgument", `${name} must be ${expected}, not ${options[name]}.`);
  }
}

/** Learning rate of step `step` (from 0) of `totalSteps`. */
export function learningRateAt(step: number, totalSteps: number, options: TrainOptions): number {
  const warm = options.warmupSteps > 0 ? Math.min(1, (step + 1) / options.warmupSteps) : 1;
  if (options.schedule === "constant") return options.learningRate * warm;
  return options.learningRate * warm * 0.5 * (1 + Math.cos((Math.PI * step) / Math.max(1, totalSteps)));
}

const isWhole = (value: number, least: number): boolean => Number.isSafeInteger(value) && value >= least;
