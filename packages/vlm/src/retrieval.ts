import { VillaError } from "@villa/data";

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

/** Retrieval in both directions. */
export interface RetrievalMetrics {
  /** For each attribute, rank all regions. */
  readonly textToRegion: RankingQuality;
  /** For each region, rank all attributes. */
  readonly regionToText: RankingQuality;
  /** Text → region for each attribute by itself; null where no region has it. */
  readonly perAttribute: readonly ({ readonly regions: number; readonly rPrecision: number } | null)[];
}

/** Embeddings and the truth that {@link retrievalMetrics} judges them by. */
export interface RetrievalInput {
  /** [R, d] L2-normalised, row-major. */
  readonly regions: Float32Array;
  /** [A, d] L2-normalised, row-major. */
  readonly attributes: Float32Array;
  /** [R, A] 1 where the region truly has the attribute. */
  readonly labels: Uint8Array;
  readonly dimension: number;
  /** Cut-offs of precision@k and recall@k. Default 1, 5, 10. */
  readonly ks?: readonly number[];
}

/**
 * Region ↔ text retrieval by cosine similarity.
 *
 * Equal scores are counted as their expectation over all orders of the tied items, so that the result depends neither on
 * the order of the rows nor on the sort. Memory beyond the inputs is one score per region: attributes are ranked one at a
 * time, regions one at a time.
 *
 * @throws VillaError `Mismatch` for sizes that do not fit, `NotFinite` for an embedding with NaN or infinity
 * @see ViLLA paper, section 4 (retrieval on DocMNIST)
 */
export function retrievalMetrics({
  regions,
  attributes,
  labels,
  dimension,
  ks = [1, 5, 10],
}: RetrievalInput): RetrievalMetrics {
  const regionCount = rowsOf(regions, dimension, "regions");
  const attributeCount = rowsOf(attributes, dimension, "attributes");
  if (labels.length !== regionCount * attributeCount) {
    throw new VillaError(
      "Mismatch",
      `${regionCount} regions and ${attributeCount} attributes need ${regionCount * attributeCount} labels, not ${labels.length}.`,
    );
  }
  const textToRegion = new RankingAverage(ks);
  const regionScores = new Float32Array(regionCount);
  const regionLabels = new Uint8Array(regionCount);
  const perAttribute: ({ regions: number; rPrecision: number } | null)[] = [];
  for (let a = 0; a < attributeCount; a++) {
    for (let r = 0; r < regionCount; r++) {
      regionScores[r] = dot(regions, r * dimension, attributes, a * dimension, dimension);
      regionLabels[r] = labels[r * attributeCount + a]!;
    }
    const rPrecision = textToRegion.add(regionScores, regionLabels);
    perAttribute.push(rPrecision === null ? null : { regions: count(regionLabels), rPrecision });
  }

  const regionToText = new RankingAverage(ks);
  const attributeScores = new Float32Array(attributeCount);
  for (let r = 0; r < regionCount; r++) {
    for (let a = 0; a < attributeCount; a++) {
      attributeScores[a] = dot(regions, r * dimension, attributes, a * dimension, dimension);
    }
    regionToText.add(attributeScores, labels.subarray(r * attributeCount, (r + 1) * attributeCount));
  }
  return { textToRegion: textToRegion.result(), regionToText: regionToText.result(), perAttribute };
}

/**
 * Expected number of right answers among the first k of a ranking by descending score, ties in random order.
 *
 * @param scores [n] @param relevant [n] 0 or 1 @param sorted [n] the same scores in ascending order
 */
function expectedHits(scores: Float32Array, relevant: Uint8Array, sorted: Float32Array, k: number): number {
  const cut = Math.min(k, scores.length);
  if (cut === 0) return 0;
  const threshold = sorted[scores.length - cut]!;
  let above = 0;
  let hitsAbove = 0;
  let tied = 0;
  let hitsTied = 0;
  for (let i = 0; i < scores.length; i++) {
    if (scores[i]! > threshold) {
      above++;
      hitsAbove += relevant[i]!;
    } else if (scores[i] === threshold) {
      tied++;
      hitsTied += relevant[i]!;
    }
  }
  return hitsAbove + ((cut - above) * hitsTied) / tied;
}

class RankingAverage {
  private readonly ks: readonly number[];
  private readonly hits: Float64Array;
  private readonly recalls: Float64Array;
  private rPrecision = 0;
  private queries = 0;

  constructor(ks: readonly number[]) {
    this.ks = ks;
    this.hits = new Float64Array(ks.length);
    this.recalls = new Float64Array(ks.length);
  }

  /** @returns the query's R-Precision, or null when it has no right answer and does not count */
  add(scores: Float32Array, relevant: Uint8Array): number | null {
    const total = count(relevant);
    if (total === 0) return null;
    const sorted = Float32Array.from(scores).sort();
    const rPrecision = expectedHits(scores, relevant, sorted, total) / total;
    this.ks.forEach((k, i) => {
      const hits = expectedHits(scores, relevant, sorted, k);
      this.hits[i]! += hits / k;
      this.recalls[i]! += hits / total;
    });
    this.rPrecision += rPrecision;
    this.queries++;
    return rPrecision;
  }

  result(): RankingQuality {
    const mean = (sum: number) => (this.queries === 0 ? 0 : sum / this.queries);
    return {
      rPrecision: mean(this.rPrecision),
      at: this.ks.map((k, i) => ({ k, precision: mean(this.hits[i]!), recall: mean(this.recalls[i]!) })),
      queries: this.queries,
    };
  }
}

function rowsOf(matrix: Float32Array, dimension: number, name: string): number {
  if (!(Number.isInteger(dimension) && dimension > 0) || matrix.length % dimension !== 0) {
    throw new VillaError("Mismatch", `${matrix.length} values of "${name}" do not form rows of ${dimension}.`);
  }
  const bad = matrix.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    const row = Math.floor(bad / dimension);
    throw new VillaError(
      "NotFinite",
      `Row ${row} of "${name}" holds ${matrix[bad]}: the model that made it has diverged.`,
    );
  }
  return matrix.length / dimension;
}

function dot(a: Float32Array, aStart: number, b: Float32Array, bStart: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) sum += a[aStart + i]! * b[bStart + i]!;
  return sum;
}

function count(flags: Uint8Array): number {
  let total = 0;
  for (const flag of flags) total += flag;
  return total;
}
