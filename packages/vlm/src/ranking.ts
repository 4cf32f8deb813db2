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
 * ones, each stands among the first k with probability (k − a) / t, held between 0 and 1.
 */
export class RankingAverage {
  readonly #ks: readonly number[];
  readonly #hits: Float64Array;
  readonly #recalls: Float64Array;
  readonly #queryHits: Float64Array;
  #sorted = new Float32Array();
  #answers = new Int32Array();
  #rPrecision = 0;
  #queries = 0;

  /** @param ks cut-offs of precision@k and recall@k */
  constructor(ks: readonly number[]) {
    this.#ks = ks;
    this.#hits = new Float64Array(ks.length);
    this.#recalls = new Float64Array(ks.length);
    this.#queryHits = new Float64Array(ks.length);
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
    // A few answers are placed by counting, many by searching the sorted scores.
    const sorted = answers < 16 ? undefined : this.#sort(scores);
    const hits = this.#queryHits.fill(0);
    let hitsAmongR = 0;
    for (let answer = 0; answer < answers; answer++) {
      const score = scores[this.#answers[answer]!]!;
      let above = 0;
      let tied = 0;
      if (sorted) {
        const end = upperBound(sorted, score);
        above = length - end;
        tied = end - lowerBound(sorted, score);
      } else {
        for (let i = 0; i < length; i++) {
          if (scores[i]! > score) above++;
          else if (scores[i]! === score) tied++;
        }
      }
      hitsAmongR += share(answers, above, tied);
      for (let j = 0; j < hits.length; j++) hits[j]! += share(this.#ks[j]!, above, tied);
    }
    for (let j = 0; j < hits.length; j++) {
      this.#hits[j]! += hits[j]! / this.#ks[j]!;
      this.#recalls[j]! += hits[j]! / answers;
    }
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

  #sort(scores: Float32Array): Float32Array {
    if (this.#sorted.length !== scores.length) this.#sorted = new Float32Array(scores.length);
    this.#sorted.set(scores);
    return this.#sorted.sort();
  }
}

/** Expected hits among the first k from one answer, with `above` better scores and `tied` equal ones, its own among them. */
function share(k: number, above: number, tied: number): number {
  return Math.min(1, Math.max(0, (k - above) / tied));
}

/** @returns how many of the ascending values are at most `value` */
function upperBound(sorted: Float32Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** @returns how many of the ascending values are less than `value` */
function lowerBound(sorted: Float32Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
