import { VillaError } from "../../errors.ts";
import { checkFunction, checkObject, checkText } from "../../formats/check-arguments.ts";
import { checkEmbeddingManifest } from "./embedding-manifest.ts";
import { visitRegionEmbeddings } from "./embeddings.ts";
import type { Dataset } from "./open-dataset.ts";

/** Region embeddings of a dataset, fitted to its annotations. */
export interface RegionEmbeddings {
  /** [R, dimension], image after image in the order of the annotations */
  readonly regions: Float32Array;
  /** [N] regions of each image */
  readonly counts: Int32Array;
  /** [N] */
  readonly imageIds: number[];
  readonly dimension: number;
}

/**
 * Reads the embeddings of all images of a dataset, or of one split, ours or the original's.
 *
 * @throws VillaError `NotFound` with the cure; `Mismatch` when the embeddings were made from other annotations, or do not
 *   fit them
 */
export async function readRegionEmbeddings(
  dataset: Dataset,
  options: { readonly split?: string | undefined } = {},
): Promise<RegionEmbeddings> {
  checkObject(dataset, "A dataset");
  checkText(dataset.directory, "A dataset's folder");
  checkFunction(dataset.rows, "A dataset's rows");
  checkObject(options, "The options of readRegionEmbeddings");
  const { directory, annotations } = dataset;
  await checkEmbeddingManifest(directory, annotations);
  const rows = dataset.rows(options.split);
  const vectors = new Map<number, Float32Array>();
  const imageIds = new Set(rows.map((row) => row.imageId));
  await visitRegionEmbeddings(directory, (imageId, vector) => vectors.set(imageId, vector), { imageIds });
  const counts = Int32Array.from(rows, (row) => row.regionCoord.length);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const values = rows.reduce((sum, row) => sum + (vectors.get(row.imageId)?.length ?? 0), 0);
  const dimension = total === 0 ? 0 : values / total;
  const regions = new Float32Array(values);
  let at = 0;
  rows.forEach(({ imageId }, i) => {
    const vector = vectors.get(imageId);
    if (vector?.length !== counts[i]! * dimension) {
      throw new VillaError(
        "Mismatch",
        `The region embeddings of image ${imageId} ${vector ? `have ${vector.length} values for ${counts[i]} regions` : "are missing"}; make the embeddings again: villa preprocess --overwrite.`,
      );
    }
    regions.set(vector, at);
    at += vector.length;
  });
  return { regions, counts, imageIds: rows.map((row) => row.imageId), dimension };
}
