export { assignRegions, type Epsilon, regionsWithin } from "./assign.ts";
export { type Batch, epochBatches, type MappingData, makeBatch } from "./batches.ts";
export { buildSplit, type SplitData } from "./build-data.ts";
export { checkMappingData } from "./check-data.ts";
export {
  parseStage1Config,
  type Stage1Config,
  stage1Config,
  stage1Defaults,
  stage1Experiments,
  stage1Schema,
} from "./config.ts";
export {
  chooseEpsilon,
  chooseEpsilonPerAttribute,
  type EpsilonResult,
  epsilonSweep,
  type ScoredSplit,
} from "./epsilon.ts";
export { excludeWithinGroups } from "./exclusive.ts";
export type { EarlyStopping, HeadState } from "./head-state.ts";
export { type HeadParameter, type HeadsOptions, type HeadWeights, headParameters, initialHead } from "./heads.ts";
export { type EpochSummary, summarizeHistory } from "./history.ts";
export { type AttributeLoss, attributeLoss } from "./loss.ts";
export { type MapRegionsOptions, mapRegions } from "./map-regions.ts";
export { mappingRows } from "./mapping-rows.ts";
export {
  addCounts,
  countMapping,
  type MappingCounts,
  type MappingMetrics,
  mappingMetrics,
  metricsFromCounts,
} from "./metrics.ts";
export { type MappingModel, makeModel, modelFromStateDict, modelStateDict } from "./model.ts";
export { type Parallel, shardOf } from "./parallel.ts";
export { type AttributeReport, type MappingReport, mappingReport } from "./report.ts";
export { type AttributeScores, type HeadSource, scoreRegions } from "./scores.ts";
export { regionTexts, type SentenceRule, sentenceRule, sentencesAbout, splitSentences } from "./sentences.ts";
export { type HeadEpoch, type TrainHeadsOptions, trainHeads } from "./train-heads.ts";
export { type TrainedMapping, type TrainMappingOptions, trainMapping } from "./train-mapping.ts";
export { defaultTrainOptions, type TrainOptions } from "./train-options.ts";
export type { HeadValidation, ValidationSplit } from "./validate.ts";
