import { checkArgument } from "@villa/data";
import {
  type BootstrapOptions,
  checkLevel,
  everyItem,
  type Interval,
  intervalOf,
  intervalRule,
  measureSamples,
  type SampleNumbers,
} from "./bootstrap.ts";

/** Two runs on the same items. */
export interface PairedBootstrapOptions extends Omit<BootstrapOptions, "measure"> {
  /** The first run's numbers of a sample. */
  readonly measureA: (sample: Int32Array) => SampleNumbers;
  /** The second run's, of the same names. */
  readonly measureB: (sample: Int32Array) => SampleNumbers;
}

/** How two runs differ in a number. */
export interface PairedDifference {
  readonly a: number;
  readonly b: number;
  /** B less A, with its interval. */
  readonly difference: Interval;
  /** Two-sided: how likely a difference so far from 0 would be if there were none. */
  readonly pValue: number;
}

/**
 * Paired bootstrap: both runs are measured on the same samples, so that what is hard for both cancels out.
 *
 * p = 2 min(#{d ≤ 0} + 1, #{d ≥ 0} + 1) / (resamples + 1), at most 1, with d the difference on a sample. So a
 * difference whose 95 % interval does not contain 0 has p below 0.05, apart from the 1 that is added to the counts.
 *
 * @returns a difference for each name that both runs have; NaN where no resample has a number of both
 * @throws VillaError `InvalidArgument`, `Mismatch` for what cannot be sampled, `Aborted`
 * @see Koehn, Statistical Significance Tests for Machine Translation Evaluation, EMNLP 2004, section 4
 */
export async function pairedBootstrap(options: PairedBootstrapOptions): Promise<Record<string, PairedDifference>> {
  checkArgument("options", options, {
    measureA: "function",
    measureB: "function",
    ...intervalRule,
  });

  const { measureA, measureB, level = 0.95 } = options;
  checkLevel(level);
  const every = everyItem(options.items);
  const [a, b] = [measureA(every), measureB(every)];
  const names = Object.keys(a).filter((name) => name in b);
  const rows = await measureSamples(options, (sample) => {
    const [sampleA, sampleB] = [measureA(sample), measureB(sample)];
    return names.map((name) => sampleB[name]! - sampleA[name]!);
  });
  const difference = (name: string, j: number): PairedDifference => ({
    a: a[name]!,
    b: b[name]!,
    difference: intervalOf(b[name]! - a[name]!, { rows, j, level }),
    pValue: pValue(rows.map((row) => row[j]!).filter((each) => !Number.isNaN(each))),
  });
  return Object.fromEntries(names.map((name, j) => [name, difference(name, j)]));
}

function pValue(differences: readonly number[]): number {
  if (differences.length === 0) return Number.NaN;
  const below = differences.filter((each) => each <= 0).length;
  const above = differences.filter((each) => each >= 0).length;
  return Math.min(1, (2 * (Math.min(below, above) + 1)) / (differences.length + 1));
}
