import { checkArgument, VillaError } from "@villa/data";
import { checkCutOffs } from "../cut-offs.ts";
import { RankingAverage, type RankingQuality } from "./ranking.ts";

/** Retrieval in both directions. */
export interface RetrievalMetrics {
  /** For each attribute, rank all regions. */
  readonly textToRegion: RankingQuality;
  /** For each region, rank all attributes. */
  readonly regionToText: RankingQuality;
  /** Text → region for each attribute by itself; null where no region has it. */
  readonly perAttribute: readonly ({ readonly regions: number; readonly rPrecision: number } | null)[];
}

/** Rows of a matrix: `count` of them from `start` on. */
export interface Rows {
  readonly start: number;
  readonly count: number;
}

/**
 * Scores of some attributes for some regions: [attributes.count, regions.count] row-major.
 *
 * Equal embeddings must get equal scores in whatever block they stand, or ties are not seen.
 */
export type RegionScores = (attributes: Rows, regions: Rows) => Float32Array | Promise<Float32Array>;

/** Embeddings of regions and attributes in one space. */
export interface RegionTextEmbeddings {
  /** [R, d] L2-normalised, row-major. */
  readonly regions: Float32Array;
  /** [A, d] L2-normalised, row-major. */
  readonly attributes: Float32Array;
  readonly dimension: number;
}

/** Embeddings and the truth that {@link retrievalMetrics} judges them by. */
export interface RetrievalInput extends RegionTextEmbeddings {
  /** [R, A] 1 where the region truly has the attribute. */
  readonly labels: Uint8Array;
  /** Cut-offs of precision@k and recall@k. Default 1, 5, 10. */
  readonly ks?: readonly number[] | undefined;
  /** How scores are computed. Default dot products in plain JavaScript; `backendScores` of @villa/vlm is 20 times as fast. */
  readonly scores?: RegionScores | undefined;
}

/** Scores held at a time, at least those of one attribute: 64 MB. */
const blockScores = 2 ** 24;
/** Regions whose scores are turned into rows at a time, so that both sides stay in the processor's cache. */
const tileRegions = 64;

/**
 * Region ↔ text retrieval by cosine similarity.
 *
 * Equal scores are counted as their expectation over all orders of the tied items, so that the result depends neither on
 * the order of the rows nor on the sort. Scores are computed in blocks: memory beyond the inputs is some 200 MB at most, or a
 * few scores per region where that is more.
 *
 * @throws VillaError `Mismatch` for sizes that do not fit, `NotFinite` for an embedding with NaN or infinity,
 * `InvalidArgument` for a cut-off below 1
 * @see ViLLA paper, section 4 (retrieval on DocMNIST)
 */
export async function retrievalMetrics(input: RetrievalInput): Promise<RetrievalMetrics> {
  checkArgument("input", input, {
    labels: "bytes",
    regions: "numbers",
    attributes: "numbers",
    dimension: "count",
    "ks?": "numbers",
  });

  const { regions, attributes, labels, dimension, ks = [1, 5, 10], scores: scoresOf = dotProducts(input) } = input;
  checkCutOffs(ks);
  const regionCount = rowsOf(regions, dimension, "regions");
  const attributeCount = rowsOf(attributes, dimension, "attributes");
  if (labels.length !== regionCount * attributeCount) {
    throw new VillaError(
      "Mismatch",
      `${regionCount} regions and ${attributeCount} attributes need ${regionCount * attributeCount} labels, not ${labels.length}.`,
    );
  }
  const textToRegion = new RankingAverage(ks);
  const regionToText = new RankingAverage(ks);
  const perAttribute: ({ regions: number; rPrecision: number } | null)[] = [];
  const tile = new Float32Array(tileRegions * attributeCount);
  const rowsOfTile = Array.from({ length: tileRegions }, (_, r) =>
    tile.subarray(r * attributeCount, (r + 1) * attributeCount),
  );
  const addRegions = (scores: Float32Array, { start, count }: Rows): void => {
    for (let from = 0; from < count; from += tileRegions) {
      const rows = Math.min(tileRegions, count - from);
      for (let a = 0; a < attributeCount; a++) {
        for (let r = 0; r < rows; r++) tile[r * attributeCount + a] = scores[a * count + from + r]!;
      }
      for (let r = 0; r < rows; r++) regionToText.add(rowsOfTile[r]!, labels, (start + from + r) * attributeCount);
    }
  };

  const everyRegion = { start: 0, count: regionCount };
  const everyAttribute = { start: 0, count: attributeCount };
  for (const block of blocks(attributeCount, blockScores / regionCount)) {
    const scores = await scoresOf(block, everyRegion);
    if (!areFinite(scores)) throw notFinite(input);
    for (let a = 0; a < block.count; a++) {
      const own = scores.subarray(a * regionCount, (a + 1) * regionCount);
      const added = textToRegion.add(own, labels, block.start + a, attributeCount);
      perAttribute.push(added && { regions: added.answers, rPrecision: added.rPrecision });
    }
    if (block.count === attributeCount) addRegions(scores, everyRegion);
  }
  if (regionCount * attributeCount > blockScores) {
    for (const block of blocks(regionCount, blockScores / attributeCount)) {
      addRegions(await scoresOf(everyAttribute, block), block);
    }
  }
  return { textToRegion: textToRegion.result(), regionToText: regionToText.result(), perAttribute };
}

function blocks(length: number, size: number): Rows[] {
  const step = Math.max(1, Math.floor(Math.min(size, length)));
  const starts = Array.from({ length: Math.ceil(length / step) }, (_, i) => i * step);
  return starts.map((start) => ({ start, count: Math.min(step, length - start) }));
}

/** Dot products, each added up in the same order wherever its rows stand. */
function dotProducts({ regions, attributes, dimension }: RegionTextEmbeddings): RegionScores {
  return (queries, targets) => {
    const scores = new Float32Array(queries.count * targets.count);
    for (let q = 0; q < queries.count; q++) {
      const query = attributes.subarray((queries.start + q) * dimension, (queries.start + q + 1) * dimension);
      for (let r = 0, at = targets.start * dimension; r < targets.count; r++, at += dimension) {
        let sum = 0;
        for (let i = 0; i < dimension; i++) sum += query[i]! * regions[at + i]!;
        scores[q * targets.count + r] = sum;
      }
    }
    return scores;
  };
}

function areFinite(values: Float32Array): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i]!)) return false;
  return true;
}

function rowsOf(values: Float32Array, dimension: number, name: string): number {
  if (!(Number.isInteger(dimension) && dimension > 0) || values.length % dimension !== 0) {
    throw new VillaError("Mismatch", `${values.length} values of "${name}" do not form rows of ${dimension}.`);
  }
  return values.length / dimension;
}

/** Finds the embedding that made a score NaN or infinite. */
function notFinite({ regions, attributes, dimension }: RetrievalInput): VillaError {
  for (const [name, values] of Object.entries({ regions, attributes })) {
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      const row = Math.floor(bad / dimension);
      const message = `Row ${row} of "${name}" holds ${values[bad]}: the model that made it has diverged.`;
      return new VillaError("NotFinite", message);
    }
  }
  return new VillaError("NotFinite", "The embeddings are so large that their scores overflow; normalise them first.");
}
