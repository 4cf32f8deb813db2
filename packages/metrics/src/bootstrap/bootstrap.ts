import { checkArgument, type ProgressListener, throwIfAborted, VillaError } from "@villa/data";
import { bootstrapSamples, quantile, type ResamplingOptions } from "./resample.ts";

/** Named numbers of a sample; NaN where it has none. */
export type SampleNumbers = Readonly<Record<string, number>>;

/** How intervals are made. */
export interface BootstrapOptions extends ResamplingOptions {
  /** The numbers of a sample of the items, given by their indices with repetitions. */
  readonly measure: (sample: Int32Array) => SampleNumbers;
  /** Share of the resampled numbers within the interval. Default 0.95. */
  readonly level?: number | undefined;
  /**
   * `percentile`: the resampled numbers as they are. `centred`: moved so that their mean is the number itself, for measures
   * that repeating items makes larger or smaller, such as average precision with few objects a category. Default percentile.
   */
  readonly interval?: "percentile" | "centred" | undefined;
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A number with its confidence interval. */
export interface Interval {
  /** On all items, each once. */
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** Resamples that gave no number and were left out. */
  readonly undefinedResamples: number;
}

/** What both bootstraps take beside their measures. */
export const intervalRule = {
  "level?": "number",
  "interval?": "'percentile' | 'centred'",
  "onProgress?": "function",
  "signal?": "object",
  items: "count",
  "groups?": ["text | number"],
  "resamples?": "count",
  "seed?": "number",
} as const;

/**
 * Bootstrap confidence intervals (percentile method) of any measure, over items or groups of them.
 *
 * The same seed, items and groups give the same samples, whatever the measure. Yields to the event loop between samples.
 *
 * @returns an interval for each name; NaN bounds where no resample had a number
 * @throws VillaError `InvalidArgument`, `Mismatch` for what cannot be sampled, `Aborted`
 * @see Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13
 * @example
 * const { images, resample } = cocoEvaluation({ truth, detections });
 * const { AP } = await bootstrap({ items: images.length, measure: resample }); // { value, low, high }
 */
export async function bootstrap(options: BootstrapOptions): Promise<Record<string, Interval>> {
  checkArgument("options", options, {
    measure: "function",
    ...intervalRule,
  });

  const { measure, level = 0.95, interval = "percentile" } = options;
  checkLevel(level);
  const whole = measure(everyItem(options.items));
  const names = Object.keys(whole);
  const rows = await measureSamples(options, (sample) => {
    const numbers = measure(sample);
    return names.map((name) => numbers[name]!);
  });
  return Object.fromEntries(
    names.map((name, j) => {
      const found = intervalOf(whole[name]!, { rows, j, level });
      return [name, interval === "centred" ? centred(found, { rows, j }) : found];
    }),
  );
}

/** Every item once: what the number itself is computed on. */
export function everyItem(items: number): Int32Array {
  return Int32Array.from({ length: items }, (_, i) => i);
}

/** @throws VillaError `InvalidArgument` */
export function checkLevel(level: number): void {
  if (level > 0 && level < 1) return;
  throw new VillaError(
    "InvalidArgument",
    `The level of an interval must be between 0 and 1, such as 0.95, not ${level}.`,
  );
}

/** Numbers of all samples, one row each. @throws VillaError `Aborted` */
export async function measureSamples(
  options: Omit<BootstrapOptions, "measure" | "level">,
  measure: (sample: Int32Array) => number[],
): Promise<number[][]> {
  const { resamples: total = 1000, onProgress, signal } = options;
  const rows: number[][] = [];
  let lastPause = performance.now();
  for (const sample of bootstrapSamples(options)) {
    throwIfAborted(signal, "The bootstrap was stopped.");
    rows.push(measure(sample));
    onProgress?.({ task: "bootstrap", done: rows.length, total, unit: "resamples" });
    // A timer, not a promise: pages and Ctrl-C get their turn.
    if (performance.now() - lastPause > 50) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      lastPause = performance.now();
    }
  }
  return rows;
}

/** An interval moved by what resampling adds to the number on average. */
function centred(
  interval: Interval,
  { rows, j }: { readonly rows: readonly (readonly number[])[]; readonly j: number },
): Interval {
  const known = rows.map((row) => row[j]!).filter((each) => !Number.isNaN(each));
  const bias = known.reduce((sum, each) => sum + each, 0) / known.length - interval.value;
  return { ...interval, low: interval.low - bias, high: interval.high - bias };
}

/** Percentiles of one column. */
export function intervalOf(
  value: number,
  { rows, j, level }: { readonly rows: readonly (readonly number[])[]; readonly j: number; readonly level: number },
): Interval {
  const known = Float64Array.from(rows.map((row) => row[j]!).filter((each) => !Number.isNaN(each))).sort();
  const undefinedResamples = rows.length - known.length;
  if (known.length === 0) return { value, low: Number.NaN, high: Number.NaN, undefinedResamples };
  const tail = (1 - level) / 2;
  return { value, low: quantile(known, tail), high: quantile(known, 1 - tail), undefinedResamples };
}
