import { checkArgument } from "@villa/data";
/** What {@link EarlyStopping} remembers, for checkpoints. */
export interface EarlyStoppingState {
  /** Null stands for "none yet". */
  readonly best: number | null;
  /** From 1. */
  readonly bestEpoch: number | null;
  readonly badEpochs: number;
}

/** Remembers the best loss and tells when it has not improved for `patience` epochs. Any decrease is an improvement. */
export class EarlyStopping {
  readonly #patience: number;
  #best = Number.POSITIVE_INFINITY;
  #bestEpoch: number | null = null;
  #badEpochs = 0;

  /** @param patience epochs without improvement after which to stop; Infinity never stops */
  constructor(patience = Number.POSITIVE_INFINITY) {
    checkArgument("patience?", patience, "number");

    this.#patience = patience;
  }

  /** True once `patience` epochs have gone by without improvement. */
  get stopped(): boolean {
    return this.#badEpochs >= this.#patience;
  }

  /** Takes the loss of an epoch, counted from 1. NaN never improves. @returns whether the loss is the best so far */
  step(loss: number, epoch: number): boolean {
    const improved = loss < this.#best;
    if (improved) {
      this.#best = loss;
      this.#bestEpoch = epoch;
      this.#badEpochs = 0;
    } else {
      this.#badEpochs++;
    }
    return improved;
  }

  /** For checkpoints. */
  state(): EarlyStoppingState {
    return {
      best: Number.isFinite(this.#best) ? this.#best : null,
      bestEpoch: this.#bestEpoch,
      badEpochs: this.#badEpochs,
    };
  }

  /** Goes on from a checkpoint. */
  loadState(state: EarlyStoppingState): void {
    this.#best = state.best ?? Number.POSITIVE_INFINITY;
    this.#bestEpoch = state.bestEpoch;
    this.#badEpochs = state.badEpochs;
  }
}
