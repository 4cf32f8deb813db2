import { attributeNames } from "@villa/data";
import { atomicWriteFile } from "@villa/data/node";
import { vocabularyEmbeddings } from "@villa/vlm/node";
import { dot, openRetrieval, type RetrievalOptions } from "./open-retrieval.ts";

export interface AnnotateOptions extends RetrievalOptions {
  readonly out: string;
  /** Attributes of each region. */
  readonly top: number;
  /** Attributes below this cosine are left out. */
  readonly minScore?: number | undefined;
}

/** A line of the file. */
export interface RegionAnnotation {
  readonly image_id: number;
  readonly source?: string | undefined;
  readonly split: string;
  readonly region: number;
  readonly box: readonly number[];
  /** Best first. */
  readonly attributes: readonly { readonly name: string; readonly score: number }[];
}

/** Writes the best attributes of every region, one JSON object a line. @returns numbers of images and regions */
export async function annotateDataset(options: AnnotateOptions): Promise<{ images: number; regions: number }> {
  const { dataset, model, index, sources } = await openRetrieval(options);
  try {
    const names = attributeNames(dataset.vocabulary);
    const embeddings = await vocabularyEmbeddings(model, dataset.vocabulary);
    const dimension = embeddings.length / names.length;
    const vectors = names.map((_, i) => embeddings.subarray(i * dimension, (i + 1) * dimension));
    let regionCount = 0;
    const lines = async function* () {
      for await (const { rows, regions } of index.parts()) {
        let at = 0;
        const written: string[] = [];
        for (const { imageId, split, regionCoord } of rows) {
          const source = sources.get(imageId);
          for (const [region, box] of regionCoord.entries()) {
            const attributes = best(names, vectors, regions, at, options);
            at += dimension;
            regionCount++;
            const line: RegionAnnotation = {
              image_id: imageId,
              source,
              split,
              region,
              box,
              attributes,
            };
            written.push(`${JSON.stringify(line)}\n`);
          }
        }
        yield new TextEncoder().encode(written.join(""));
      }
    };
    await atomicWriteFile(options.out, lines());
    return { images: index.rows.length, regions: regionCount };
  } finally {
    model.dispose();
  }
}

function best(
  names: readonly string[],
  vectors: readonly Float32Array[],
  regions: Float32Array,
  at: number,
  { top, minScore = Number.NEGATIVE_INFINITY }: AnnotateOptions,
): RegionAnnotation["attributes"] {
  return names
    .map((name, i) => ({ name, score: Number(dot(regions, at, vectors[i]!).toFixed(6)) }))
    .filter(({ score }) => score >= minScore)
    .sort((a, b) => b.score - a.score)
    .slice(0, top);
}
