/** One report from a long-running task. `done` of `total` units; `total` is absent when it cannot be known. */
export interface ProgressUpdate {
  /** What is being done, in a few words: "generating images", "epoch 3". */
  readonly task: string;
  readonly done: number;
  readonly total?: number | undefined;
  /** What is counted: "images", "steps", "bytes". */
  readonly unit: string;
  /** Figures worth showing beside the bar, e.g. `{ loss: 0.42 }`. */
  readonly metrics?: Readonly<Record<string, number>> | undefined;
}

/**
 * How libraries tell about progress: they call it whenever something moved, and the caller decides what to draw and how
 * often. A missing listener costs nothing.
 */
export type ProgressListener = (update: ProgressUpdate) => void;
