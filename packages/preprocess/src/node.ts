export { parseShard, type Shard } from "@villa/data";
export {
  type AttributeEmbeddings,
  checkEmbeddingManifest,
  type EmbeddingManifest,
  readAttributeEmbeddings,
  readEmbeddingManifest,
} from "@villa/data/node";
export type { EmbeddingFormat } from "./node/assemble.ts";
export { checkDataset } from "./node/checkDataset.ts";
export { type PreprocessOptions, type PreprocessResult, preprocessDataset } from "./node/preprocess.ts";
export { type DatasetRegionEmbeddings, readRegionEmbeddings } from "./node/readRegionEmbeddings.ts";
export {
  type DownloadClipOptions,
  downloadClipWeights,
  hashWeights,
  loadClipFile,
  readWeights,
  rn50Sha256,
  rn50Url,
} from "./node/weights.ts";
