import { appendFileSync } from "node:fs";
import { atomicWriteFile } from "@villa/data/node";
import { type EpochSummary, summarizeHistory } from "../train/history.ts";
import type { HeadEpoch } from "../train/train-heads.ts";
import type { HeadValidation } from "../train/validate.ts";
import { loadHeadProgress } from "./head-files.ts";

interface History {
  losses: number[];
  validation: HeadValidation[];
}

/** What a line of metrics.jsonl holds. */
export type MetricsLine = Omit<EpochSummary, "shares"> & {
  readonly time: string;
  readonly shares?: readonly number[] | undefined;
};

const mostShares = 100;

/**
 * Puts the epochs of heads together, which reach them at different times, and writes each to metrics.jsonl when the last
 * head has finished it.
 */
export class EpochLog {
  readonly #path: string;
  readonly #heads: ReadonlyMap<number, History>;
  readonly #onEpoch: (summary: EpochSummary) => void;
  #written: number;

  private constructor(
    path: string,
    heads: Map<number, History>,
    written: number,
    onEpoch: (summary: EpochSummary) => void,
  ) {
    this.#path = path;
    this.#heads = heads;
    this.#written = written;
    this.#onEpoch = onEpoch;
  }

  /** Starts from what the checkpoints tell, so that a resumed run has the lines of the whole. */
  static async open(
    path: string,
    heads: readonly number[],
    checkpoints: string,
    onEpoch: (summary: EpochSummary) => void,
  ): Promise<EpochLog> {
    const histories = await loadHistories(checkpoints, heads);
    const done = summarizeHistory([...histories.values()]);
    await atomicWriteFile(path, done.map(lineOf).join(""));
    return new EpochLog(path, histories, done.length, onEpoch);
  }

  add({ head, loss, validation }: HeadEpoch): void {
    const history = this.#heads.get(head)!;
    history.losses.push(loss);
    if (validation) history.validation.push(validation);
    this.#write(summarizeHistory([...this.#heads.values()]));
  }

  /** Everything, once no head goes on: those that stopped early count with their last values. */
  finish(): EpochSummary[] {
    const all = finishedHistory(this.#heads);
    this.#write(all);
    return all;
  }

  #write(summaries: readonly EpochSummary[]): void {
    for (const summary of summaries.slice(this.#written)) {
      appendFileSync(this.#path, lineOf(summary));
      this.#onEpoch(summary);
    }
    this.#written = Math.max(this.#written, summaries.length);
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

function lineOf({ shares, ...summary }: EpochSummary): string {
  const line: MetricsLine = {
    ...summary,
    shares: shares.length <= mostShares ? shares : undefined,
    time: new Date().toISOString(),
  };
  return `${JSON.stringify(line)}\n`;
}
