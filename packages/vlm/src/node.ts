/**
 * Stage 2 from folder to folder: train, open, evaluate, export.
 *
 * @example
 * import { stage2Config } from "@villa/vlm";
 * import { evaluateCheckpoint, runStage2 } from "@villa/vlm/node";
 *
 * const { bestCheckpoint } = await runStage2(stage2Config({ dataDir: "data/mine", pairs: "mapping" }));
 * const { textToRegion } = await evaluateCheckpoint({ dataDir: "data/mine", checkpoint: bestCheckpoint });
 * console.log(textToRegion.rPrecision);
 *
 * @module
 */
export {
  type EmbeddedSplit,
  type EvaluateOptions,
  type Evaluation,
  embedForEvaluation,
  evaluateCheckpoint,
  evaluateEmbedded,
  type FoundAttribute,
  type FoundRegion,
  type RetrievalExamples,
  vocabularyEmbeddings,
} from "./node/evaluate-checkpoint.ts";
export {
  type ExportedFolder,
  type ExportHuggingFaceOptions,
  exportHuggingFace,
} from "./node/export-hugging-face.ts";
export { type ExportedTower, exportModel } from "./node/export-model.ts";
export {
  type OpenModelOptions,
  openModel,
  type VisionLanguageModel,
} from "./node/model.ts";
export { type IndexedPart, type OpenIndexOptions, RegionIndex } from "./node/region-index.ts";
export { openScorer, type RegionScorer, type ScorerOptions } from "./node/region-scorer.ts";
export { runStage2, type Stage2Result, type Stage2RunOptions } from "./node/run-stage2.ts";
