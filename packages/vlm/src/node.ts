export { type SplitPairs, splitPairs } from "./node/datasetPairs.ts";
export { type EvaluateOptions, type Evaluation, evaluateCheckpoint } from "./node/evaluateCheckpoint.ts";
export {
  initialModel,
  type ModelDescription,
  openModel,
  type TextSide,
  type VisionLanguageModel,
} from "./node/model.ts";
export { exportModel, runStage2, type Stage2Result, type Stage2RunOptions } from "./node/runStage2.ts";
