import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type ImageAnnotation, openSafetensors, openStateDict, VillaError } from "@villa/data";
import {
  type Dataset,
  fileSource,
  openDataset,
  readAttributeEmbeddings,
  readRegionEmbeddings,
  requireRows,
} from "@villa/data/node";
import { scoreRegions } from "@villa/mapping";
import { openMappingModel } from "@villa/mapping/node";
import { type RetrievalOptions, readSources } from "./open-retrieval.ts";

/** Whether a checkpoint is of Stage 1: the folder of a run, or a file of heads, whatever it is called. */
export async function isStage1Model(path: string): Promise<boolean> {
  if (!existsSync(path)) return false;
  if (statSync(path).isDirectory()) {
    return [path, join(path, "heads")].some(
      (folder) => existsSync(folder) && readdirSync(folder).some((name) => /^head-\d+\.safetensors$/.test(name)),
    );
  }
  const source = await fileSource(path);
  for (const open of [openSafetensors, openStateDict]) {
    // Neither opens a file of another kind; who opens the model says what is wrong with it.
    const file = await open(source, { raw: true }).catch(() => undefined);
    if (file) return [...file.entries.keys()].some((name) => /(?:^|\.)pool\.\d+\.0\.weight$/.test(name));
  }
  return false;
}

/** What a model of Stage 1 says about the regions of a dataset. */
export interface Stage1Scores {
  readonly dataset: Dataset;
  readonly rows: readonly ImageAnnotation[];
  readonly sources: ReadonlyMap<number, string>;
  /** The attributes that were asked for. */
  readonly attributes: readonly string[];
  /**
   * For each attribute [R] of all regions, in the order of the rows: standard deviations above the mean of the attribute's
   * cosines. Every attribute has a head of its own, so cosines of two attributes cannot be compared.
   */
  readonly scores: readonly Float32Array[];
}

/**
 * Scores the regions of a dataset by a model of Stage 1, from the embeddings that `villa preprocess` has made.
 *
 * @param choose the attributes to score, out of those that the model knows; default all
 * @throws VillaError `NotFound` without embeddings, a model or the split, `Mismatch` when they do not fit each other,
 *   `InvalidArgument` where `regions` asks for other embeddings
 */
export async function scoreByStage1(
  { dataDir, checkpoint, split, regions: how, onProgress, signal }: RetrievalOptions,
  choose: (dataset: Dataset, known: readonly string[]) => readonly string[] = (_, known) => known,
): Promise<Stage1Scores> {
  if (how !== undefined) {
    throw new VillaError(
      "InvalidArgument",
      "A model of Stage 1 ranks the embeddings that villa preprocess has made; give --regions there.",
    );
  }
  const dataset = await openDataset(dataDir);
  const rows = requireRows(dataset, split);
  const { attributes: known, dimension, values: attributeEmbeddings } = await readAttributeEmbeddings(dataDir);
  const chosen = choose(dataset, known);
  const model = await openMappingModel(checkpoint, { attributes: known, dimension, adapter: false });
  const { regions, counts } = await readRegionEmbeddings(dataset, { split });
  const all = await scoreRegions({
    model,
    // Stage 1 maps what a text mentions; here every region is asked about every attribute.
    data: { regions, counts, labels: new Uint8Array(rows.length * known.length).fill(1) },
    attributeEmbeddings,
    attributes: chosen.map((name) => known.indexOf(name)),
    onProgress,
    signal,
  });
  const scores = chosen.map((name) => standardized(all[known.indexOf(name)]!.values));
  return { dataset, rows, sources: await readSources(dataDir), attributes: chosen, scores };
}

function standardized(values: Float32Array): Float32Array {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  return values.map((value) => (deviation === 0 ? 0 : (value - mean) / deviation));
}
