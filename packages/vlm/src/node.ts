export { type SplitPairs, splitPairs } from "./node/dataset-pairs.ts";
export {
  type EvaluateOptions,
  type Evaluation,
  evaluateCheckpoint,
  type FoundAttribute,
  type FoundRegion,
  type RetrievalExamples,
  vocabularyEmbeddings,
} from "./node/evaluate-checkpoint.ts";
export {
  initialModel,
  openModel,
  type TrainableModel,
  type VisionLanguageModel,
} from "./node/model.ts";
export { type IndexedPart, RegionIndex } from "./node/region-index.ts";
export { exportModel, runStage2, type Stage2Result, type Stage2RunOptions } from "./node/run-stage2.ts";
