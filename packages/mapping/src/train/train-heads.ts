import * as tf from "@tensorflow/tfjs-core";
import type { EarlyStopping } from "@villa/core";
import { checkArgument, throwIfAborted } from "@villa/data";
import { type Batch, type MappingData, mappingBatches } from "../data/batches.ts";
import {
  type BestEpoch,
  type EarlyStoppingOptions,
  earlyStoppingOf,
  type HeadState,
  type HeadValidation,
  newHeadState,
  validationScore,
} from "../model/head-state.ts";
import { HeadTrainer } from "../model/head-trainer.ts";
import type { HeadsOptions, HeadWeights } from "../model/heads.ts";
import type { TrainOptions } from "./train-options.ts";
import { type ValidationSplit, validateHeads } from "./validate.ts";

/** A head has finished an epoch. */
export interface HeadEpoch {
  readonly head: number;
  /** From 1. */
  readonly epoch: number;
  /** Its share of the training loss. */
  readonly loss: number;
  readonly validation?: HeadValidation | undefined;
}

export interface TrainHeadsOptions extends HeadsOptions {
  readonly data: MappingData;
  /** [A, d] */
  readonly attributeEmbeddings: Float32Array;
  readonly train: TrainOptions;
  /** Which heads to train. */
  readonly heads: readonly number[];
  /** Where a head starts: default, and for undefined, a new one. Saved heads may be at different epochs. */
  readonly load?: ((head: number) => Promise<HeadState | undefined>) | undefined;
  readonly validation?: ValidationSplit | undefined;
  readonly earlyStopping?: EarlyStoppingOptions | undefined;
  /** Heads computed as one product. Default: one on a CPU, where its weights then stay in cache; 16 on a GPU. */
  readonly headsPerProduct?: number | undefined;
  /** Called after each optimiser step of each stack with the number of heads in it. */
  readonly onStep?: ((heads: number) => void) | undefined;
  /** Told after each epoch of each head. */
  readonly onHeadEpoch?: ((report: HeadEpoch) => void) | undefined;
  /** Called with every head's state after each of its epochs; training goes on while the last call is under way. */
  readonly save?: ((state: HeadState) => Promise<void>) | undefined;
  /** Leave the weights out of the results. */
  readonly historyOnly?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A head at the end of its training. */
export interface HeadResult {
  readonly head: number;
  readonly losses: readonly number[];
  readonly validation: readonly HeadValidation[];
  /** The epoch that early stopping chose, from 1. */
  readonly bestEpoch?: number | undefined;
  /** Weights to use: of the best epoch with early stopping, else of the last. Absent with `historyOnly`. */
  readonly weights?: HeadWeights | undefined;
}

/** GPUs want one large batched product; on a CPU a head at a time keeps its weights in cache. */
function defaultHeadsPerProduct(): number {
  return ["cpu", "wasm", "native"].includes(tf.getBackend()) ? 1 : 16;
}

/**
 * Trains heads on the current backend. Which heads are trained together changes nothing: the order of the batches
 * depends on the seed and the epoch alone, and heads do not meet.
 *
 * Within an epoch each stack of heads sees all batches before the next stack's turn: its weights and optimiser state stay
 * in cache, which halves the time of the memory-bound AdamW.
 *
 * @returns one result per state, in the order given
 * @throws VillaError `NotFinite` when the loss diverges, `Aborted` on the signal; saved states stay usable
 */
export async function trainHeads(options: TrainHeadsOptions): Promise<HeadResult[]> {
  checkArgument("options", options, {
    data: { regions: "numbers", counts: "numbers", labels: "bytes" },
    attributeEmbeddings: "numbers",
    train: {
      epochs: "count",
      batchSize: "count",
      seed: "number",
      temperature: "number",
      learningRate: "number",
      betas: "numbers",
      adamEpsilon: "number",
      weightDecay: "number",
      schedule: "'constant' | 'cosine'",
      warmupSteps: "number",
    },
    heads: "numbers",
    "load?": "function",
    "validation?": { data: "object", "truth?": "bytes", epsilon: "number" },
    "earlyStopping?": { metric: "'loss' | 'f1'", patience: "number" },
    "headsPerProduct?": "number",
    "onStep?": "function",
    "onHeadEpoch?": "function",
    "save?": "function",
    "historyOnly?": "boolean",
    "signal?": "object",
    dimension: "count",
    oneProj: "boolean",
    adapter: "boolean",
  });

  const { data, train } = options;
  const results = new Map<number, HeadResult>();
  const runs: StackRun[] = [];
  const saver = new Saver();
  try {
    for await (const states of stacksToTrain(options, results)) runs.push(new StackRun(states, options, saver));
    for (let epoch = 0; epoch < train.epochs; epoch++) {
      const due = runs.filter((run) => run.isDue(epoch));
      if (due.length === 0) continue;
      const batches = mappingBatches({ data, batchSize: train.batchSize, seed: train.seed, epoch });
      for (const run of due) await run.epoch(batches);
    }
    await saver.finish();
    for (const run of runs) {
      for (const result of await run.results(options.historyOnly === true)) results.set(result.head, result);
    }
    return options.heads.map((head) => results.get(head)!);
  } finally {
    for (const run of runs) run.dispose();
  }
}

/**
 * Loads the heads one stack at a time, so that their initial values need not be in memory twice. Heads that have nothing
 * left to do go to `results` instead.
 */
async function* stacksToTrain(
  options: TrainHeadsOptions,
  results: Map<number, HeadResult>,
): AsyncGenerator<HeadState[]> {
  const size = options.headsPerProduct ?? defaultHeadsPerProduct();
  let stack: HeadState[] = [];
  for (const head of options.heads) {
    const state =
      (await options.load?.(head)) ?? newHeadState(head, { dimension: options.dimension, seed: options.train.seed });
    const stopped = options.earlyStopping && earlyStoppingOf(state, options.earlyStopping).stopped;
    if (state.epoch >= options.train.epochs || stopped) {
      results.set(head, resultOf(state, state.weights, options.historyOnly === true));
      continue;
    }
    // Heads share a stack only while they are at the same step.
    if (stack.length > 0 && (stack.length >= size || stack[0]!.steps !== state.steps)) {
      yield stack;
      stack = [];
    }
    stack.push(state);
  }
  if (stack.length > 0) yield stack;
}

function resultOf(
  { head, losses, validation, best }: HeadHistory,
  weights: HeadWeights | undefined,
  historyOnly: boolean,
): HeadResult {
  return {
    head,
    losses,
    validation,
    bestEpoch: best ? best.epoch : undefined,
    weights: historyOnly || !weights ? undefined : (best?.weights ?? weights),
  };
}

type HeadHistory = Pick<HeadState, "head" | "losses" | "validation"> & { epoch: number; best?: BestEpoch | undefined };

/** A stack on its way through the epochs. */
class StackRun {
  readonly #trainer: HeadTrainer;
  readonly #options: TrainHeadsOptions;
  readonly #history: HeadHistory[];
  readonly #stopping: readonly EarlyStopping[];
  readonly #saver: Saver;

  constructor(states: readonly HeadState[], options: TrainHeadsOptions, saver: Saver) {
    const { data, train, dimension, oneProj, adapter, attributeEmbeddings } = options;
    const totalSteps = train.epochs * Math.floor(data.counts.length / train.batchSize);
    this.#trainer = new HeadTrainer(states, { ...train, dimension, oneProj, adapter, attributeEmbeddings, totalSteps });
    this.#options = options;
    this.#saver = saver;
    this.#history = states.map(({ head, epoch, losses, validation, best }) => ({
      head,
      epoch,
      losses,
      validation,
      best,
    }));
    const { earlyStopping } = options;
    this.#stopping = earlyStopping ? states.map((state) => earlyStoppingOf(state, earlyStopping)) : [];
  }

  /** True unless the epoch is done already or every head has stopped early. */
  isDue(epoch: number): boolean {
    if (this.#history[0]!.epoch > epoch) return false;
    return this.#stopping.length === 0 || this.#stopping.some(({ stopped }) => !stopped);
  }

  async epoch(batches: readonly Batch[]): Promise<void> {
    const { data, validation, onStep, onHeadEpoch, signal } = this.#options;
    const losses = await this.#trainer.trainEpoch(data, {
      batches,
      onStep: () => {
        throwIfAborted(
          signal,
          "Training was stopped; finished epochs are saved, and the same command goes on after them.",
        );
        onStep?.(this.#trainer.heads.length);
      },
    });
    const judged = validation ? await validateHeads(this.#trainer, validation) : [];
    for (const [position, head] of this.#history.entries()) {
      await this.#finishEpoch(position, head, losses[position]!, judged[position]);
      onHeadEpoch?.({
        head: head.head,
        epoch: head.epoch,
        loss: losses[position]!,
        validation: judged[position],
      });
    }
    await this.#save();
  }

  async results(historyOnly: boolean): Promise<HeadResult[]> {
    const weights = historyOnly ? [] : await this.#trainer.stack.weights();
    return this.#history.map((history, position) => resultOf(history, weights[position], historyOnly));
  }

  dispose(): void {
    this.#trainer.dispose();
  }

  async #states(): Promise<HeadState[]> {
    const values = await this.#trainer.values();
    return this.#history.map(({ best, ...history }, position) => ({
      ...history,
      best,
      ...values[position]!,
    }));
  }

  async #finishEpoch(
    position: number,
    head: HeadHistory,
    loss: number,
    judged: HeadValidation | undefined,
  ): Promise<void> {
    const { earlyStopping } = this.#options;
    const stopping = this.#stopping[position];
    head.epoch++;
    Object.assign(head, {
      losses: [...head.losses, loss],
      validation: judged ? [...head.validation, judged] : head.validation,
    });
    // A head that has stopped stays in its stack; it must end up as if it had been trained alone.
    if (!earlyStopping || !stopping || !judged || stopping.stopped) return;
    const score = validationScore(judged, earlyStopping);
    if (stopping.step(score, head.epoch)) {
      head.best = { epoch: head.epoch, score, weights: (await this.#trainer.stack.weights())[position]! };
    }
  }

  async #save(): Promise<void> {
    const { save } = this.#options;
    if (!save) return;
    // Read before the next step changes them; written while the next stack is trained.
    const states = await this.#states();
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
