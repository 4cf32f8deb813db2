import { checkArgument, VillaError } from "@villa/data";
import type { LearningRateSchedule } from "./optimizer.ts";

/** Settings of {@link CosineSchedule}. */
export interface CosineScheduleOptions {
  /** The optimiser whose rate is set; its rate at this moment is the highest one. */
  readonly optimizer: { learningRate: number };
  /** Steps over which the rate rises in equal parts. Default 0. */
  readonly warmupSteps?: number | undefined;
  /** Steps of the whole run, those of the warm-up among them. */
  readonly totalSteps: number;
}

/**
 * A learning rate that rises over the first steps and then falls along half a cosine wave to zero, as open_clip's
 * `cosine_lr`. It depends on the step alone, so that a resumed run needs no state of it.
 */
export class CosineSchedule implements LearningRateSchedule {
  readonly #optimizer: { learningRate: number };
  readonly #highest: number;
  readonly #warmupSteps: number;
  readonly #totalSteps: number;

  /** @throws VillaError `InvalidArgument` when the warm-up takes all of the steps */
  constructor(options: CosineScheduleOptions) {
    checkArgument("options", options, {
      optimizer: { learningRate: "number" },
      "warmupSteps?": "number",
      totalSteps: "number",
    });
    const { optimizer, warmupSteps = 0, totalSteps } = options;

    if (!(warmupSteps >= 0 && warmupSteps < totalSteps)) {
      throw new VillaError(
        "InvalidArgument",
        `A warm-up of ${warmupSteps} steps leaves nothing of a run of ${totalSteps} steps.`,
      );
    }
    this.#optimizer = optimizer;
    this.#highest = optimizer.learningRate;
    this.#warmupSteps = warmupSteps;
    this.#totalSteps = totalSteps;
  }

  /** Sets the rate of the next step. @param done steps of the run before it */
  beforeStep(done: number): void {
    const rising = done < this.#warmupSteps;
    const share = rising
      ? (done + 1) / this.#warmupSteps
      : (1 + Math.cos((Math.PI * (done - this.#warmupSteps)) / (this.#totalSteps - this.#warmupSteps))) / 2;
    this.#optimizer.learningRate = this.#highest * share;
  }
}
