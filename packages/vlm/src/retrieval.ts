import * as tf from "@tensorflow/tfjs-core";
import { VillaError } from "@villa/data";
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
  readonly ks?: readonly number[] | undefined;
}

/** Scores held at a time, at least those of one attribute: 64 MB. */
const blockScores = 2 ** 24;
/** Values of embeddings on the backend at a time: 16 MB. */
const tileValues = 2 ** 22;

/**
 * Region ↔ text retrieval by cosine similarity.
 *
 * Equal scores are counted as their expectation over all orders of the tied items, so that the result depends neither on
 * the order of the rows nor on the sort. Scores are computed on the active backend in blocks: memory beyond the inputs and
 * a copy of the attributes is some 200 MB at most, or a few scores per region where that is more.
 *
 * @throws VillaError `Mismatch` for sizes that do not fit, `NotFinite` for an embedding with NaN or infinity
 * @see ViLLA paper, section 4 (retrieval on DocMNIST)
 */
export async function retrievalMetrics(input: RetrievalInput): Promise<RetrievalMetrics> {
  const { regions, attributes, labels, dimension, ks = [1, 5, 10] } = input;
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
  const ofRegion = new Float32Array(attributeCount);
  const addRegions = (scores: Float32Array, { start, count }: Rows): void => {
    for (let r = 0; r < count; r++) {
      for (let a = 0; a < attributeCount; a++) ofRegion[a] = scores[a * count + r]!;
      regionToText.add(ofRegion, labels, (start + r) * attributeCount);
    }
  };

  const everyRegion = { start: 0, count: regionCount };
  const everyAttribute = { start: 0, count: attributeCount };
  for (const block of blocks(attributeCount, blockScores / regionCount)) {
    const scores = await scoreBlock(input, block, everyRegion);
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
      addRegions(await scoreBlock(input, everyAttribute, block), block);
    }
  }
  return { textToRegion: textToRegion.result(), regionToText: regionToText.result(), perAttribute };
}

interface Rows {
  readonly start: number;
  readonly count: number;
}

function blocks(length: number, size: number): Rows[] {
  const step = Math.max(1, Math.floor(Math.min(size, length)));
  const starts = Array.from({ length: Math.ceil(length / step) }, (_, i) => i * step);
  return starts.map((start) => ({ start, count: Math.min(step, length - start) }));
}

/**
 * Scores of some attributes against some regions.
 *
 * Regions go to the backend in tiles of one size, the last of which overlaps the one before: products of one shape round
 * alike, so that equal embeddings get equal scores wherever they stand.
 *
 * @returns [attributes, regions]
 */
async function scoreBlock(input: RetrievalInput, attributes: Rows, regions: Rows): Promise<Float32Array> {
  const { dimension } = input;
  const scores = new Float32Array(attributes.count * regions.count);
  const queries = rowsTensor(input.attributes, attributes, dimension);
  try {
    const tiles = blocks(regions.count, tileValues / dimension);
    const count = tiles[0]?.count ?? 0;
    for (const tile of tiles) {
      const start = Math.min(tile.start, regions.count - count);
      const product = tf.tidy(() => {
        const targets = rowsTensor(input.regions, { start: regions.start + start, count }, dimension);
        return tf.matMul<tf.Tensor2D>(queries, targets, false, true);
      });
      const values = (await product.data()) as Float32Array; // [attributes, count]
      product.dispose();
      for (let a = 0; a < attributes.count; a++) {
        scores.set(values.subarray(a * count, (a + 1) * count), a * regions.count + start);
      }
    }
  } finally {
    queries.dispose();
  }
  return scores;
}

function rowsTensor(values: Float32Array, { start, count }: Rows, dimension: number): tf.Tensor2D {
  return tf.tensor2d(values.subarray(start * dimension, (start + count) * dimension), [count, dimension]);
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
