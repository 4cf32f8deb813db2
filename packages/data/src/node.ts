export { cacheDirectory } from "./node/cache.ts";
export { type Dataset, datasetFiles, openDataset } from "./node/dataset.ts";
export { type DownloadOptions, downloadFile, hashFile } from "./node/download.ts";
export {
  annotationsFingerprint,
  checkEmbeddingManifest,
  type EmbeddingManifest,
  readEmbeddingManifest,
} from "./node/embeddingManifest.ts";
export {
  type AttributeEmbeddings,
  embeddingFiles,
  type RegionEmbeddings,
  readAttributeEmbeddings,
  readRegionEmbeddings,
  visitRegionEmbeddings,
} from "./node/embeddings.ts";
export { atomicWriteFile, fileError, fileSource, readFileBytes, throwIfAborted, withPath } from "./node/files.ts";
export { noteShards, requireParts } from "./node/shards.ts";
