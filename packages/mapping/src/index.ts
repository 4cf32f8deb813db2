export { assignRegions, type Epsilon, regionsWithin } from "./assign/assign.ts";
export {
  chooseEpsilon,
  chooseEpsilonPerAttribute,
  type EpsilonResult,
  epsilonSweep,
  type ScoredSplit,
} from "./assign/epsilon.ts";
export { excludeWithinGroups } from "./assign/exclusive.ts";
export { type MapRegionsOptions, mapRegions } from "./assign/map-regions.ts";
export { mappingRows } from "./assign/mapping-rows.ts";
export { regionTexts } from "./assign/region-texts.ts";
export { type AttributeReport, type MappingReport, mappingReport } from "./assign/report.ts";
export {
  defaultEpsilon,
  type Stage1Config,
  type Stage1Settings,
  stage1Config,
  stage1Experiments,
  stage1Schema,
} from "./config.ts";
export { type Batch, epochBatches, type MappingData, makeBatch } from "./data/batches.ts";
export { buildSplit, type SplitData } from "./data/build-data.ts";
export { checkMappingData } from "./data/check-data.ts";
export type { EarlyStoppingOptions, HeadState, HeadValidation } from "./model/head-state.ts";
export { type HeadParameter, type HeadsOptions, type HeadWeights, headParameters, initialHead } from "./model/heads.ts";
export { type AttributeLoss, attributeLoss } from "./model/loss.ts";
export { type MappingModel, makeModel, modelFromStateDict, modelStateDict } from "./model/model.ts";
export { type AttributeScores, type HeadSource, scoreRegions } from "./model/scores.ts";
export { type EpochSummary, summarizeHistory } from "./train/history.ts";
export { type Parallel, shardOf } from "./train/parallel.ts";
export { type HeadEpoch, type TrainHeadsOptions, trainHeads } from "./train/train-heads.ts";
export { type TrainedMapping, type TrainMappingOptions, trainMapping } from "./train/train-mapping.ts";
export { type TrainOptions, trainOptions } from "./train/train-options.ts";
export type { ValidationSplit } from "./train/validate.ts";
