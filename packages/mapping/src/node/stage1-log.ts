import type { MetricsRecord } from "@villa/core";
import { jsonlMetrics, type MetricsFile, readMetrics } from "@villa/core/node";
import type { HeadValidation } from "../model/head-state.ts";
import { type EpochSummary, summarizeHistory } from "../train/history.ts";
import type { HeadEpoch } from "../train/train-heads.ts";
import { loadHeadProgress } from "./head-files.ts";

interface History {
  losses: number[];
  validation: HeadValidation[];
}

/** What {@link EpochLog.open} needs to know. */
export interface EpochLogOptions {
  /** The log's file. */
  readonly path: string;
  /** The heads that are trained, and the folder of their checkpoints. */
  readonly heads: readonly number[];
  readonly checkpoints: string;
  readonly stepsPerEpoch: number;
  /** The learning rate after so many steps. */
  readonly learningRate: (steps: number) => number;
  readonly onEpoch?: ((summary: EpochSummary) => void) | undefined;
}

/** Beyond so many heads, a record leaves out each one's share of the loss. */
const mostShares = 100;

/**
 * Puts the epochs of heads together, which reach them at different times, and writes each to metrics.jsonl when the last
 * head has finished it.
 */
export class EpochLog {
  readonly #options: EpochLogOptions;
  readonly #file: MetricsFile;
  readonly #heads: ReadonlyMap<number, History>;
  #written: number;

  private constructor(options: EpochLogOptions, heads: ReadonlyMap<number, History>, written: number) {
    this.#options = options;
    this.#file = jsonlMetrics(options.path);
    this.#heads = heads;
    this.#written = written;
  }

  /** Starts from what the checkpoints tell, so that a resumed run has the records of the whole. */
  static async open(options: EpochLogOptions): Promise<EpochLog> {
    const { path } = options;
    const heads = await loadHistories(options.checkpoints, options.heads);
    const done = summarizeHistory([...heads.values()]);
    const log = new EpochLog(options, heads, done.length);
    await log.#file.rewind(done.length);
    if ((await readMetrics(path)).length < done.length) {
      // The file is lost, or an earlier version wrote it.
      await log.#file.rewind(0);
      for (const summary of done) log.#file.write(log.#recordOf(summary));
    }
    return log;
  }

  add({ head, loss, validation }: HeadEpoch): void {
    const history = this.#heads.get(head)!;
    history.losses.push(loss);
    if (validation) history.validation.push(validation);
    this.#write(summarizeHistory([...this.#heads.values()]));
  }

  /** All epochs, once no head goes on: heads that stopped early count with their last values. */
  finish(): EpochSummary[] {
    const all = finishedHistory(this.#heads);
    this.#write(all);
    return all;
  }

  #write(summaries: readonly EpochSummary[]): void {
    for (const summary of summaries.slice(this.#written)) {
      this.#file.write(this.#recordOf(summary));
      this.#options.onEpoch?.(summary);
    }
    this.#written = Math.max(this.#written, summaries.length);
  }

  #recordOf({
    epoch,
    loss,
    validation,
    shares,
  }: EpochSummary): MetricsRecord & { readonly shares: readonly number[] | undefined } {
    const { loss: validationLoss, ...measures } = validation ?? {};
    const step = epoch * this.#options.stepsPerEpoch;
    return {
      kind: "epoch",
      epoch,
      step,
      loss,
      validationLoss,
      learningRate: this.#options.learningRate(step),
      measures: Object.keys(measures).length > 0 ? (measures as Record<string, number>) : undefined,
      shares: shares.length <= mostShares ? shares : undefined,
    };
  }
}

/** The epochs of a run that has ended, as its checkpoints tell them. */
export async function savedHistory(checkpoints: string, heads: readonly number[]): Promise<EpochSummary[]> {
  return finishedHistory(await loadHistories(checkpoints, heads));
}

async function loadHistories(checkpoints: string, heads: readonly number[]): Promise<Map<number, History>> {
  const histories = new Map<number, History>();
  for (const head of heads) {
    const progress = await loadHeadProgress(checkpoints, head);
    histories.set(head, { losses: [...(progress?.losses ?? [])], validation: [...(progress?.validation ?? [])] });
  }
  return histories;
}

function finishedHistory(heads: ReadonlyMap<number, History>): EpochSummary[] {
  return summarizeHistory(
    [...heads.values()],
    [...heads].map(() => true),
  );
}
