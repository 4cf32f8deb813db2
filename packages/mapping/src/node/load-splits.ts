import type { ImageAnnotation } from "@villa/data";
import { type AttributeEmbeddings, checkEmbeddingManifest, visitRegionEmbeddings } from "@villa/data/node";
import { buildSplit, type SplitData } from "../data/build-data.ts";

/**
 * Loads splits of a dataset folder with their region embeddings, in one pass over the embedding files.
 *
 * @param annotations of the whole folder
 * @throws VillaError `Mismatch` when the embeddings were made from other annotations; as {@link buildSplit} and the file readers
 */
export async function loadSplits(
  dataDirectory: string,
  annotations: readonly ImageAnnotation[],
  embeddings: AttributeEmbeddings,
  splits: readonly string[],
): Promise<Map<string, SplitData>> {
  await checkEmbeddingManifest(dataDirectory, annotations);
  const rows = new Map(splits.map((split) => [split, annotations.filter((row) => row.split === split)]));
  const wanted = new Set([...rows.values()].flat().map((row) => row.imageId));
  const regions = new Map<number, Float32Array>();
  await visitRegionEmbeddings(dataDirectory, wanted, (imageId, values) => regions.set(imageId, values));
  const loaded = new Map<string, SplitData>();
  for (const [split, own] of rows) {
    loaded.set(
      split,
      buildSplit({
        split,
        annotations: own,
        attributes: embeddings.attributes,
        dimension: embeddings.dimension,
        regions: (imageId) => regions.get(imageId),
        allocate: (length) => new Float32Array(new SharedArrayBuffer(length * 4)),
      }),
    );
  }
  return loaded;
}
