import type { ImageAnnotation } from "@villa/data";
import type { IndexedPart } from "@villa/vlm/node";

/** A region and how well it fits the query. */
export interface RankedRegion {
  readonly row: ImageAnnotation;
  readonly region: number;
  /** Cosine similarity. */
  readonly score: number;
}

/**
 * The best regions, part by part, so that memory does not grow with the dataset. Equal scores keep the dataset's order.
 *
 * @param query [d] L2-normalised
 * @param perImage only the best region of each image
 */
export async function rankRegions(
  parts: AsyncIterable<IndexedPart> | Iterable<IndexedPart>,
  query: Float32Array,
  { top, perImage = false }: { readonly top: number; readonly perImage?: boolean | undefined },
): Promise<RankedRegion[]> {
  let best: RankedRegion[] = [];
  for await (const { rows, regions } of parts) {
    let at = 0;
    for (const row of rows) {
      const own: RankedRegion[] = [];
      for (let region = 0; region < row.numRegions; region++, at += query.length) {
        own.push({ row, region, score: dot(regions, at, query) });
      }
      best.push(...(perImage ? own.sort(byScore).slice(0, 1) : own));
    }
    best = best.sort(byScore).slice(0, top);
  }
  return best;
}

/** Σ matrix[start + i] · vector[i] */
export function dot(matrix: Float32Array, start: number, vector: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < vector.length; i++) sum += matrix[start + i]! * vector[i]!;
  return sum;
}

const byScore = (a: RankedRegion, b: RankedRegion): number => b.score - a.score;
