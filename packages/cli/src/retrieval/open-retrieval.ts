import { existsSync } from "node:fs";
import { join } from "node:path";
import { type ProgressListener, readFeather } from "@villa/data";
import { type Dataset, openDataset, readFileBytes } from "@villa/data/node";
import { sourcesFile } from "@villa/ingest/node";
import { openModel, RegionIndex, type VisionLanguageModel } from "@villa/vlm/node";

/** A dataset, a model, and the embeddings of the one by the other. */
export interface Retrieval {
  readonly dataset: Dataset;
  readonly model: VisionLanguageModel;
  readonly index: RegionIndex;
  /** Where an image comes from, where the dataset tells. */
  readonly sources: ReadonlyMap<number, string>;
}

export interface RetrievalOptions {
  readonly dataDir: string;
  readonly checkpoint: string;
  readonly split?: string | undefined;
  /** CLIP's weights, when the checkpoint's text side needs them. */
  readonly weights?: string | undefined;
  readonly progress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Opens everything and embeds what has not been embedded before. The caller disposes the model. */
export async function openRetrieval(options: RetrievalOptions): Promise<Retrieval> {
  const { dataDir, checkpoint, split, weights, progress, signal } = options;
  const dataset = await openDataset(dataDir);
  const index = await RegionIndex.open(dataset, checkpoint, split);
  const model = await openModel(checkpoint, weights === undefined ? {} : { weights });
  try {
    await index.fill(model.image, { progress, signal });
    return { dataset, model, index, sources: await readSources(dataDir) };
  } catch (error) {
    model.dispose();
    throw error;
  }
}

async function readSources(dataDir: string): Promise<Map<number, string>> {
  const path = join(dataDir, sourcesFile);
  if (!existsSync(path)) return new Map();
  const table = await readFeather(await readFileBytes(path));
  const sources = table.column("source");
  return new Map(table.column("image_id").map((id, i) => [Number(id), String(sources[i])]));
}
