export { type SplitPairs, splitPairs } from "./node/datasetPairs.ts";
export {
  type EvaluateOptions,
  type Evaluation,
  evaluateCheckpoint,
  type FoundAttribute,
  type FoundRegion,
  type RetrievalExamples,
  vocabularyEmbeddings,
} from "./node/evaluateCheckpoint.ts";
export {
  initialModel,
  type ModelDescription,
  openModel,
  type TextSide,
  type VisionLanguageModel,
} from "./node/model.ts";
export { type IndexedPart, RegionIndex } from "./node/regionIndex.ts";
export { exportModel, runStage2, type Stage2Result, type Stage2RunOptions } from "./node/runStage2.ts";
