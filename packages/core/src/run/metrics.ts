/** One line of a run's `metrics.jsonl`: an epoch. Both stages write these. */
export interface MetricsRecord {
  readonly kind: "epoch";
  /** From 1. */
  readonly epoch: number;
  /** Optimiser steps that the whole run has taken. */
  readonly step: number;
  /** Mean training loss of the epoch's steps. */
  readonly loss: number;
  readonly validationLoss?: number | undefined;
  /** Of the next step: the schedule has taken the epoch into account. */
  readonly learningRate: number;
  /** Whether this is the best epoch so far. Absent in Stage 1, where each head has a best epoch of its own. */
  readonly improved?: boolean | undefined;
  /** Examples a second at the end of the epoch. */
  readonly rate?: number | undefined;
  /** Other measures on the validation split, by name. */
  readonly measures?: Readonly<Record<string, number>> | undefined;
}

/** Takes metrics; `jsonlMetrics` of `@villa/core/node` writes them to a file. */
export interface MetricsLog {
  /** Adds one record. */
  write(record: MetricsRecord): void | Promise<void>;
  /** Forgets the records of epochs after this one: a resumed run writes them again. */
  rewind?(epoch: number): void | Promise<void>;
}
