/**
 * Datasets and files on disk: open, stream, download, write without damage.
 *
 * @example
 * import { openDataset } from "@villa/data/node";
 *
 * const dataset = await openDataset("data/docmnist_30000_15.2");
 * for await (const { row, image } of dataset.samples("val")) {
 *   console.log(row.text, image.width, image.height);
 * }
 *
 * @module
 */
export { cacheDirectory } from "./dataset/node/cache.ts";
export { type DownloadOptions, downloadFile, hashFile } from "./dataset/node/download.ts";
export {
  annotationsFingerprint,
  checkEmbeddingManifest,
  type EmbeddingManifest,
  readEmbeddingManifest,
} from "./dataset/node/embedding-manifest.ts";
export {
  type AttributeEmbeddings,
  embeddingFiles,
  readAttributeEmbeddings,
  regionPartFormat,
  visitRegionEmbeddings,
} from "./dataset/node/embeddings.ts";
export {
  atomicWriteFile,
  fileError,
  fileSource,
  folderBeside,
  readFileBytes,
  replaceFolder,
  withPath,
} from "./dataset/node/files.ts";
export {
  type Dataset,
  datasetFiles,
  datasetRule,
  type OpenDatasetOptions,
  openDataset,
  requireRows,
} from "./dataset/node/open-dataset.ts";
export {
  differingSettings,
  itemsPerPart,
  type PartSettings,
  PartStore,
  type PartStoreOptions,
} from "./dataset/node/part-store.ts";
export { type RegionEmbeddings, readRegionEmbeddings } from "./dataset/node/region-embeddings.ts";
export { noteShards, requireParts } from "./dataset/node/shards.ts";
export { canWriteInto, requireWritable } from "./dataset/node/writable.ts";
