import { existsSync } from "node:fs";
import { join } from "node:path";
import { countMasks, type ImageAnnotation, type ProgressListener, readFeather } from "@villa/data";
import { type Dataset, openDataset, readFileBytes } from "@villa/data/node";
import type { RegionOptions } from "@villa/encoders";
import { isCheckpoint } from "@villa/encoders/node";
import { sourcesFile } from "@villa/ingest/node";
import { type IndexedPart, openModel, RegionIndex, type VisionLanguageModel } from "@villa/vlm/node";

/** A dataset, a model, and the embeddings of the one by the other. */
export interface Retrieval {
  readonly dataset: Dataset;
  readonly model: VisionLanguageModel;
  readonly index: RegionIndex;
  /** Regions whose masks an encoder that was not trained here leaves out of account, since `regions` was not given. */
  readonly unusedMasks: number;
  /** Where an image comes from, where the dataset tells. */
  readonly sources: ReadonlyMap<number, string>;
}

/** A dataset and a model that ranks its regions. */
export interface RetrievalOptions extends Pick<RegionOptions, "regions"> {
  /** Dataset folder. */
  readonly dataDir: string;
  /** A model of Stage 2, CLIP's weights, or a model of Stage 1: its run's folder, or its `last.pkl`. */
  readonly checkpoint: string;
  /** Default: all images. */
  readonly split?: string | undefined;
  /** CLIP's weights, when the checkpoint's text side needs them. */
  readonly weights?: string | undefined;
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Opens everything and embeds what has not been embedded before. The caller disposes the model. */
export async function openRetrieval(options: RetrievalOptions): Promise<Retrieval> {
  const { dataDir, checkpoint, split, weights, regions, onProgress, signal } = options;
  const dataset = await openDataset(dataDir);
  const index = await RegionIndex.open(dataset, checkpoint, { split, regions, onProgress, signal });
  const model = await openModel(checkpoint, { weights, regions, onProgress, signal });
  try {
    await index.fill(model.image, { onProgress, signal });
    // A checkpoint that was trained on boxes must be given boxes.
    const isUntold = regions === undefined && !(await isCheckpoint(checkpoint));
    const unusedMasks = isUntold ? countMasks(index.rows) : 0;
    return { dataset, model, index, unusedMasks, sources: await readSources(dataDir) };
  } catch (error) {
    model.dispose();
    throw error;
  }
}

/** Where images come from, where the dataset tells. */
export async function readSources(dataDir: string): Promise<Map<number, string>> {
  const path = join(dataDir, sourcesFile);
  if (!existsSync(path)) return new Map();
  const table = await readFeather(await readFileBytes(path));
  const sources = table.column("source");
  return new Map(table.column("image_id").map((id, i) => [Number(id), String(sources[i])]));
}

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
