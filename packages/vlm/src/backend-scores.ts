import { rowProducts } from "@villa/core";
import { checkArgument } from "@villa/data";
import type { RegionScores, RegionTextEmbeddings, Rows } from "@villa/metrics";

/** Values of embeddings on the backend at a time: 16 MB. */
const tileValues = 2 ** 22;

/**
 * Scores of attributes for regions as products on the active backend, for `retrievalMetrics`.
 *
 * Regions go to the backend in tiles of one size, the last of which overlaps the one before: products of one shape round
 * alike, so that equal embeddings get equal scores wherever they stand. Beyond its result a block needs at most a copy of
 * its attributes and 16 MB of regions. No tensor is left.
 *
 * @param embeddings L2-normalised rows of one space
 * @example
 * const metrics = await retrievalMetrics({ ...embeddings, labels, scores: backendScores(embeddings) });
 */
export function backendScores(embeddings: RegionTextEmbeddings): RegionScores {
  checkArgument("embeddings", embeddings, { regions: "numbers", attributes: "numbers", dimension: "count" });
  const { regions, attributes, dimension } = embeddings;

  const rowsOf = (values: Float32Array, { start, count }: Rows) =>
    values.subarray(start * dimension, (start + count) * dimension);

  return async (wanted, targets) => {
    const scores = new Float32Array(wanted.count * targets.count);
    const queries = rowsOf(attributes, wanted);
    const count = Math.min(targets.count, Math.max(1, Math.floor(tileValues / dimension)));
    for (let tile = 0; tile < targets.count; tile += count) {
      const start = Math.min(tile, targets.count - count);
      const rows = rowsOf(regions, { start: targets.start + start, count });
      const values = await rowProducts(queries, rows, dimension); // [attributes, count]
      for (let a = 0; a < wanted.count; a++) {
        scores.set(values.subarray(a * count, (a + 1) * count), a * targets.count + start);
      }
    }
    return scores;
  };
}
