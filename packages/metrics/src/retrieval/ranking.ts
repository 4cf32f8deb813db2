import { checkArgument } from "@villa/data";
import { checkCutOffs } from "../cut-offs.ts";
import { RankedPlaces } from "./ranked-places.ts";

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
  readonly #answers: RankedAnswers;
  #rPrecision = 0;
  #queries = 0;

  /** @param ks cut-offs of precision@k and recall@k */
  constructor(ks: readonly number[]) {
    this.#ks = ks;
    this.#hits = new Float64Array(ks.length);
    this.#recalls = new Float64Array(ks.length);
    this.#answers = new RankedAnswers(ks);
  }

  /**
   * Adds the ranking of one query's targets.
   *
   * @param scores [n] finite
   * @param labels target i is a right answer where `labels[first + i * step]` is not 0
   * @returns the number of right answers and the R-Precision, or null when there is none and the query does not count
   */
  add(scores: Float32Array, labels: Uint8Array, first = 0, step = 1): { answers: number; rPrecision: number } | null {
    const answers = this.#answers.rank(scores, labels, first, step);
    if (answers === 0) return null;
    for (let i = 0; i < this.#ks.length; i++) {
      const hits = this.#answers.hits[i]!;
      this.#hits[i]! += hits / this.#ks[i]!;
      this.#recalls[i]! += hits / answers;
    }
    const rPrecision = this.#answers.hits[this.#ks.length]! / answers;
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

/** Up to so many right answers are compared with every score, and so are any number among so few scores. */
const fewAnswers = 16;
const fewScores = 64;

/** How many right answers of a query stand among the first of its ranking, counted so that equal scores are seen. */
class RankedAnswers {
  /** Right answers to expect up to each cut-off, and last up to R, the number of right answers. */
  readonly hits: Float64Array;
  readonly #cutOffs: number[];
  readonly #places: RankedPlaces;
  #scores = new Float32Array(); // [n] of which the first are the answers'

  constructor(ks: readonly number[]) {
    this.#cutOffs = [...ks, 0];
    this.hits = new Float64Array(this.#cutOffs.length);
    this.#places = new RankedPlaces(this.#cutOffs.length);
  }

  /** @returns the number of right answers */
  rank(scores: Float32Array, labels: Uint8Array, first: number, step: number): number {
    const length = scores.length;
    if (this.#scores.length < length) this.#scores = new Float32Array(length);
    const own = this.#scores;
    let count = 0;
    // Without branches, here and below: which way they go cannot be foretold, and a wrong guess costs many comparisons.
    for (let i = 0, at = first; i < length; i++, at += step) {
      own[count] = scores[i]!;
      count += Number(labels[at] !== 0);
    }
    this.#cutOffs[this.#cutOffs.length - 1] = count;
    if (count <= fewAnswers || length <= fewScores) this.#compare(scores, count);
    else this.#findPlaces(scores, count);
    return count;
  }

  /** Compares each answer with every score. */
  #compare(scores: Float32Array, count: number): void {
    const [own, hits, cutOffs] = [this.#scores, this.hits.fill(0), this.#cutOffs];
    for (let i = 0; i < count; i++) {
      const score = own[i]!;
      let above = 0;
      let tied = 0; // itself included
      for (let j = 0; j < scores.length; j++) {
        const other = scores[j]!;
        above += Number(other > score);
        tied += Number(other === score);
      }
      for (let c = 0; c < cutOffs.length; c++) {
        hits[c]! += tied === 1 ? Number(above < cutOffs[c]!) : Math.max(0, Math.min(1, (cutOffs[c]! - above) / tied));
      }
    }
  }

  /** Compares each answer with the scores at the cut-offs: those above it are hits, and a share of the ones equal to it. */
  #findPlaces(scores: Float32Array, count: number): void {
    const [own, places] = [this.#scores, this.#places];
    places.find(scores, this.#cutOffs);
    for (let c = 0; c < this.#cutOffs.length; c++) {
      const threshold = places.scores[c]!;
      let above = 0;
      let tied = 0;
      for (let i = 0; i < count; i++) {
        above += Number(own[i]! > threshold);
        tied += Number(own[i]! === threshold);
      }
      const k = Math.min(this.#cutOffs[c]!, scores.length);
      this.hits[c] = above + ((k - places.above[c]!) * tied) / places.tied[c]!;
    }
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
 * @throws VillaError `InvalidArgument` for a cut-off below 1
 */
export function rankRows(options: {
  readonly scores: Float32Array;
  readonly labels: Uint8Array;
  readonly columns: number;
  readonly ks?: readonly number[] | undefined;
}): RowQuality {
  checkArgument("options", options, { scores: "numbers", labels: "bytes", columns: "count", "ks?": "numbers" });

  const { scores, labels, columns, ks = [1, 5, 10] } = options;
  checkCutOffs(ks);
  const rows = scores.length / columns;
  const empty = () => new Float64Array(rows).fill(Number.NaN);
  const rPrecision = empty();
  const at = ks.map((k) => ({ k, precision: empty(), recall: empty() }));
  const ranked = new RankedAnswers(ks);
  for (let row = 0; row < rows; row++) {
    const own = scores.subarray(row * columns, (row + 1) * columns);
    const answers = ranked.rank(own, labels, row * columns, 1);
    if (answers === 0) continue;
    rPrecision[row] = ranked.hits[ks.length]! / answers;
    for (const [j, { k, precision, recall }] of at.entries()) {
      const hits = ranked.hits[j]!;
      precision[row] = hits / k;
      recall[row] = hits / answers;
    }
  }
  return { rPrecision, at };
}
