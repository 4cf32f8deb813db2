import { checkArgument, VillaError } from "@villa/data";
import type { LearningRateSchedule } from "./optimizer.ts";

/** Settings of {@link ReduceLROnPlateau}. */
export interface ReduceLROnPlateauOptions {
  /** The optimiser whose rate is reduced. */
  readonly optimizer: { learningRate: number };
  /** Factor of each reduction. */
  readonly factor?: number | undefined;
  /** Epochs without improvement that are tolerated before a reduction. */
  readonly patience?: number | undefined;
  /** A loss counts as better when it is below best - threshold (torch's `threshold_mode="abs"`). */
  readonly threshold?: number | undefined;
  readonly minimumLearningRate?: number | undefined;
}

/** What {@link ReduceLROnPlateau} remembers, for checkpoints. */
export interface ReduceLROnPlateauState {
  /** Null stands for "none yet" (JSON has no infinity). */
  readonly best: number | null;
  readonly badEpochs: number;
}

/** torch's `ReduceLROnPlateau(mode="min", threshold_mode="abs")` with its defaults otherwise; Stage 2's schedule. */
export class ReduceLROnPlateau implements LearningRateSchedule<ReduceLROnPlateauState> {
  readonly #optimizer: { learningRate: number };
  readonly #factor: number;
  readonly #patience: number;
  readonly #threshold: number;
  readonly #minimum: number;
  #best = Number.POSITIVE_INFINITY;
  #badEpochs = 0;

  constructor(options: ReduceLROnPlateauOptions) {
    checkArgument("options", options, {
      optimizer: { learningRate: "number" },
      "factor?": "number",
      "patience?": "number",
      "threshold?": "number",
      "minimumLearningRate?": "number",
    });
    const { optimizer, factor = 0.5, patience = 1, threshold = 0.005, minimumLearningRate = 0 } = options;

    if (!(factor > 0 && factor < 1)) {
      throw new VillaError("InvalidArgument", `The plateau factor must lie between 0 and 1; got ${factor}.`);
    }
    this.#optimizer = optimizer;
    this.#factor = factor;
    this.#patience = patience;
    this.#threshold = threshold;
    this.#minimum = minimumLearningRate;
  }

  /** Takes the loss of one more epoch. Returns true when the rate was reduced. */
  step(loss: number): boolean {
    if (loss < this.#best - this.#threshold) {
      this.#best = loss;
      this.#badEpochs = 0;
    } else {
      this.#badEpochs++;
    }
    if (this.#badEpochs <= this.#patience) return false;
    this.#badEpochs = 0;
    return this.#reduce();
  }

  /** For checkpoints. */
  state(): ReduceLROnPlateauState {
    return { best: Number.isFinite(this.#best) ? this.#best : null, badEpochs: this.#badEpochs };
  }

  /** Goes on from a checkpoint. */
  loadState(state: ReduceLROnPlateauState): void {
    this.#best = state.best ?? Number.POSITIVE_INFINITY;
    this.#badEpochs = state.badEpochs;
  }

  #reduce(): boolean {
    const before = this.#optimizer.learningRate;
    const after = Math.max(before * this.#factor, this.#minimum);
    if (before - after <= 1e-8) return false; // torch's eps: a change too small to matter is not made
    this.#optimizer.learningRate = after;
    return true;
  }
}
