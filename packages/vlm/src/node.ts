export { type SplitPairs, splitPairs } from "./node/dataset-pairs.ts";
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
  initialModel,
  openModel,
  type TrainableModel,
  type VisionLanguageModel,
} from "./node/model.ts";
export { type IndexedPart, RegionIndex } from "./node/region-index.ts";
export { openScorer, type RegionScorer, type ScorerOptions } from "./node/region-scorer.ts";
export { exportModel, runStage2, type Stage2Result, type Stage2RunOptions } from "./node/run-stage2.ts";
