import * as tf from "@tensorflow/tfjs-core";
import { VillaError } from "@villa/data";
import { epochBatches, type MappingData } from "./batches.ts";
import {
  type BestEpoch,
  type EarlyStopping,
  type HeadState,
  hasStopped,
  newHeadState,
  validationScore,
} from "./head-state.ts";
import { HeadTrainer } from "./head-trainer.ts";
import type { HeadsOptions } from "./heads.ts";
import type { TrainOptions } from "./train-options.ts";
import { type HeadValidation, type ValidationSplit, validateHeads } from "./validate.ts";

/** A head has finished an epoch. */
export interface HeadEpoch {
  readonly head: number;
  /** From 1. */
  readonly epoch: number;
  /** Its share of the training loss. */
  readonly loss: number;
  readonly validation?: HeadValidation;
}

export interface TrainHeadsOptions extends HeadsOptions {
  readonly data: MappingData;
  /** [A, d] */
  readonly attributeEmbeddings: Float32Array;
  readonly train: TrainOptions;
  /** Where to start: new heads, or heads saved earlier, each at its own epoch. */
  readonly states: readonly HeadState[];
  readonly validation?: ValidationSplit | undefined;
  readonly earlyStopping?: EarlyStopping | undefined;
  /** Heads computed as one product; see {@link defaultHeadsPerProduct}. */
  readonly headsPerProduct?: number | undefined;
  /** Called after each optimiser step of each stack with the number of heads in it. */
  readonly onStep?: ((heads: number) => void) | undefined;
  readonly onHeadEpoch?: ((report: HeadEpoch) => void) | undefined;
  /** Called with every head's state after each of its epochs; training goes on while the last call is under way. */
  readonly save?: ((state: HeadState) => Promise<void>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** New states for {@link trainHeads}. */
export function newHeadStates(heads: readonly number[], dimension: number, seed: number): HeadState[] {
  return heads.map((head) => newHeadState(head, dimension, seed));
}

/** GPUs want one large batched product; on a CPU a head at a time keeps its weights in cache. */
export function defaultHeadsPerProduct(): number {
  return ["cpu", "wasm", "native"].includes(tf.getBackend()) ? 1 : 16;
}

/**
 * Trains heads on the current backend. Which heads are trained together changes nothing: the order of the batches
 * depends on the seed and the epoch alone, and heads do not meet.
 *
 * Within an epoch each stack of heads sees all batches before the next stack's turn: its weights and optimiser state stay
 * in cache, which halves the time of the memory-bound AdamW.
 *
 * @returns the states after the last epoch, in the order given
 * @throws VillaError `NotFinite` when the loss diverges, `Aborted` on the signal; saved states stay usable
 */
export async function trainHeads(options: TrainHeadsOptions): Promise<HeadState[]> {
  const { data, train } = options;
  const totalSteps = train.epochs * Math.floor(data.counts.length / train.batchSize);
  const trainerOptions = { ...train, ...headsOptions(options), totalSteps };
  const saver = new Saver();
  const runs = stacksOf(options.states, options.headsPerProduct ?? defaultHeadsPerProduct()).map(
    (states) => new StackRun(states, new HeadTrainer(states, trainerOptions), options, saver),
  );
  try {
    for (let epoch = 0; epoch < train.epochs; epoch++) {
      const due = runs.filter((run) => run.isDue(epoch));
      if (due.length === 0) continue;
      const batches = epochBatches({ data, batchSize: train.batchSize, seed: train.seed, epoch });
      for (const run of due) await run.epoch(batches);
    }
    await saver.finish();
    const states = await Promise.all(runs.map((run) => run.states()));
    return states.flat();
  } finally {
    for (const run of runs) run.trainer.dispose();
  }
}

const headsOptions = ({ dimension, oneProj, adapter, attributeEmbeddings }: TrainHeadsOptions) => ({
  dimension,
  oneProj,
  adapter,
  attributeEmbeddings,
});

/** Heads share a stack only while they are at the same step. */
function stacksOf(states: readonly HeadState[], size: number): HeadState[][] {
  const stacks: HeadState[][] = [];
  for (const state of states) {
    const last = stacks.at(-1);
    if (last && last.length < size && last[0]!.steps === state.steps) last.push(state);
    else stacks.push([state]);
  }
  return stacks;
}

type HeadHistory = Pick<HeadState, "head" | "losses" | "validation"> & { epoch: number; best?: BestEpoch | undefined };

/** A stack on its way through the epochs. */
class StackRun {
  readonly trainer: HeadTrainer;
  readonly #options: TrainHeadsOptions;
  readonly #history: HeadHistory[];
  readonly #saver: Saver;

  constructor(states: readonly HeadState[], trainer: HeadTrainer, options: TrainHeadsOptions, saver: Saver) {
    this.trainer = trainer;
    this.#options = options;
    this.#saver = saver;
    this.#history = states.map(({ head, epoch, losses, validation, best }) => ({
      head,
      epoch,
      losses,
      validation,
      best,
    }));
  }

  /** True unless the epoch is done already or every head has stopped early. */
  isDue(epoch: number): boolean {
    const { earlyStopping } = this.#options;
    if (this.#history[0]!.epoch > epoch) return false;
    return !(earlyStopping && this.#history.every((head) => hasStopped(head, earlyStopping)));
  }

  async epoch(batches: Parameters<HeadTrainer["trainEpoch"]>[1]): Promise<void> {
    const { data, validation, onStep, onHeadEpoch, signal } = this.#options;
    const losses = await this.trainer.trainEpoch(data, batches, () => {
      throwIfAborted(signal);
      onStep?.(this.trainer.heads.length);
    });
    const judged = validation ? await validateHeads(this.trainer, validation) : [];
    for (const [position, head] of this.#history.entries()) {
      await this.#finishEpoch(position, head, losses[position]!, judged[position]);
      onHeadEpoch?.({
        head: head.head,
        epoch: head.epoch,
        loss: losses[position]!,
        ...(judged[position] ? { validation: judged[position] } : {}),
      });
    }
    await this.#save();
  }

  async states(): Promise<HeadState[]> {
    const states: HeadState[] = [];
    for (const [position, { best, ...history }] of this.#history.entries()) {
      states.push({ ...history, ...(best ? { best } : {}), ...(await this.trainer.values(position)) });
    }
    return states;
  }

  async #finishEpoch(
    position: number,
    head: HeadHistory,
    loss: number,
    judged: HeadValidation | undefined,
  ): Promise<void> {
    const { earlyStopping } = this.#options;
    const stopped = earlyStopping && hasStopped(head, earlyStopping);
    head.epoch++;
    Object.assign(head, {
      losses: [...head.losses, loss],
      validation: judged ? [...head.validation, judged] : head.validation,
    });
    // A stopped head that a stack drags along must end up as if it had been trained alone.
    if (!earlyStopping || !judged || stopped) return;
    const score = validationScore(judged, earlyStopping);
    if (!head.best || score < head.best.score) {
      head.best = { epoch: head.epoch, score, weights: await this.trainer.stack.weights(position) };
    }
  }

  async #save(): Promise<void> {
    const { save } = this.#options;
    if (!save) return;
    // Read before the next step changes them; written while the next stack is trained.
    const states = await this.states();
    await this.#saver.submit(async () => {
      for (const state of states) await save(state);
    });
  }
}

/** Runs one save at a time beside the training: memory holds at most one waiting stack. */
class Saver {
  #pending: Promise<void> = Promise.resolve();

  async submit(save: () => Promise<void>): Promise<void> {
    await this.#pending;
    this.#pending = save();
    // Thrown by the next submit or finish; this keeps a failure in between from being reported as unhandled.
    this.#pending.catch(() => undefined);
  }

  finish(): Promise<void> {
    return this.#pending;
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new VillaError("Aborted", "Training was stopped; finished epochs are saved.");
}
