import { checkArgument } from "@villa/data";
import { FloatSorter } from "./float-sorter.ts";

/** Precision and recall of a ranking at one cut-off, as fractions in 0 … 1. */
export interface CutOff {
  readonly k: number;
  readonly precision: number;
  readonly recall: number;
}

/** How well one kind of query ranks its targets, averaged over the queries that have a right answer. */
export interface RankingQuality {
  /** Precision among the first R, where R is the number of right answers of the query. */
  readonly rPrecision: number;
  readonly at: readonly CutOff[];
  /** Queries averaged over. */
  readonly queries: number;
}

/**
 * Averages the quality of rankings by descending score.
 *
 * Equal scores count as their expectation over all orders of the tied items: of a group of t equal scores behind a better
 * ones, (k − a) / t are expected among the first k where k cuts through the group.
 */
export class RankingAverage {
  readonly #ks: readonly number[];
  readonly #hits: Float64Array;
  readonly #recalls: Float64Array;
  readonly #sorter = new FloatSorter();
  #answers = new Int32Array();
  #rPrecision = 0;
  #queries = 0;

  /** @param ks cut-offs of precision@k and recall@k */
  constructor(ks: readonly number[]) {
    this.#ks = ks;
    this.#hits = new Float64Array(ks.length);
    this.#recalls = new Float64Array(ks.length);
  }

  /**
   * Adds the ranking of one query's targets.
   *
   * @param scores [n] finite
   * @param labels target i is a right answer where `labels[first + i * step]` is not 0
   * @returns the number of right answers and the R-Precision, or null when there is none and the query does not count
   */
  add(scores: Float32Array, labels: Uint8Array, first = 0, step = 1): { answers: number; rPrecision: number } | null {
    const length = scores.length;
    if (this.#answers.length < length) this.#answers = new Int32Array(length);
    let answers = 0;
    for (let i = 0; i < length; i++) if (labels[first + i * step] !== 0) this.#answers[answers++] = i;
    if (answers === 0) return null;
    const sorted = this.#sorter.sort(scores);
    const hitsAmong = (k: number): number => expectedHits(scores, sorted, this.#answers.subarray(0, answers), k);
    const hitsAmongR = hitsAmong(answers);
    this.#ks.forEach((k, i) => {
      const hits = hitsAmong(k);
      this.#hits[i]! += hits / k;
      this.#recalls[i]! += hits / answers;
    });
    const rPrecision = hitsAmongR / answers;
    this.#rPrecision += rPrecision;
    this.#queries++;
    return { answers, rPrecision };
  }

  result(): RankingQuality {
    const mean = (sum: number) => (this.#queries === 0 ? 0 : sum / this.#queries);
    return {
      rPrecision: mean(this.#rPrecision),
      at: this.#ks.map((k, i) => ({ k, precision: mean(this.#hits[i]!), recall: mean(this.#recalls[i]!) })),
      queries: this.#queries,
    };
  }
}

/** How well each of many queries ranks its targets; NaN for a query without a right answer. */
export interface RowQuality {
  /** [n] */
  readonly rPrecision: Float64Array;
  /** For each cut-off. */
  readonly at: readonly { readonly k: number; readonly precision: Float64Array; readonly recall: Float64Array }[];
}

/**
 * R-Precision, precision@k and recall@k of each row of a matrix of scores by itself: what a bootstrap resamples.
 *
 * Ties: as in `retrievalMetrics`, whose region → text numbers are the means of these.
 *
 * @param options `scores`, `labels`: [n, columns] row-major; 1 is right
 */
export function rankRows(options: {
  readonly scores: Float32Array;
  readonly labels: Uint8Array;
  readonly columns: number;
  readonly ks?: readonly number[] | undefined;
}): RowQuality {
  checkArgument("options", options, { scores: "numbers", labels: "bytes", columns: "count", "ks?": "numbers" });

  const { scores, labels, columns, ks = [1, 5, 10] } = options;
  const rows = scores.length / columns;
  const empty = () => new Float64Array(rows).fill(Number.NaN);
  const rPrecision = empty();
  const at = ks.map((k) => ({ k, precision: empty(), recall: empty() }));
  for (let row = 0; row < rows; row++) {
    const ranking = new RankingAverage(ks);
    const own = scores.subarray(row * columns, (row + 1) * columns);
    const added = ranking.add(own, labels, row * columns);
    if (!added) continue;
    rPrecision[row] = added.rPrecision;
    ranking.result().at.forEach(({ precision, recall }, j) => {
      at[j]!.precision[row] = precision;
      at[j]!.recall[row] = recall;
    });
  }
  return { rPrecision, at };
}

/**
 * Right answers to expect among the first k: those above the score at place k, and their share of the ones equal to it.
 *
 * @param sorted the scores in ascending order
 * @param answers which scores are right answers'
 */
function expectedHits(scores: Float32Array, sorted: Float32Array, answers: Int32Array, k: number): number {
  const cut = Math.min(k, sorted.length);
  const threshold = sorted[sorted.length - cut]!;
  let hitsAbove = 0;
  let hitsTied = 0;
  for (let i = 0; i < answers.length; i++) {
    const score = scores[answers[i]!]!;
    if (score > threshold) hitsAbove++;
    else if (score === threshold) hitsTied++;
  }
  const end = firstAbove(sorted, threshold);
  const above = sorted.length - end;
  let tied = cut - above;
  while (tied < end && sorted[end - 1 - tied] === threshold) tied++;
  return hitsAbove + ((cut - above) * hitsTied) / tied;
}

/** @returns how many of the ascending values are at most `value` */
function firstAbove(sorted: Float32Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! > value) high = middle;
    else low = middle + 1;
  }
  return low;
}
