export type { EmbeddingFormat } from "./assemble.ts";
export { checkDataset } from "./check-dataset.ts";
export { type PreprocessOptions, type PreprocessResult, preprocessDataset } from "./preprocess.ts";
