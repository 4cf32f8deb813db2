/**
 * Own pictures and texts, as a table or a COCO file, into a dataset.
 *
 * @example
 * import { ingestTable } from "@villa/ingest/node";
 *
 * const result = await ingestTable({
 *   images: "photos",
 *   table: "captions.csv", // columns image and text; box columns are found by their names
 *   attributes: "words.json",
 *   regions: "grid:3x3",
 *   out: "data/mine",
 * });
 * console.log(result.images, result.attributes);
 *
 * @module
 */

export type { RowProblem, StoredImage } from "./ingested-row.ts";
export { type IngestSummary, sourcesFile } from "./node/assemble.ts";
export {
  type ImageFormat,
  type ImageOptions,
  pictureToPng,
  readPicture,
  storeImage,
} from "./node/images.ts";
export { type IngestResult, ingestTable } from "./node/ingest.ts";
export { type MinedAttribute, mineAttributes } from "./node/mine.ts";
export { suggestedFile } from "./node/open-input.ts";
export type { IngestOptions, Proposer } from "./node/options.ts";
export { hashSplit, parseSplitShares } from "./node/split.ts";
export { type TarSample, writeTarShard } from "./node/tar-shards.ts";
export {
  type DatasetRow,
  type RegionSegmentation,
  type WriteDatasetOptions,
  writeDataset,
} from "./node/write-dataset.ts";
export { describeProblem } from "./row-problems.ts";
export type { SplitShares } from "./split-shares.ts";
export type { DatasetFigures } from "./survey.ts";
