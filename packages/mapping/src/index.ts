/**
 * Stage 1, the mapping model (paper, section 3.2): which attribute of a text belongs to which region.
 *
 * @example
 * import { mapRegions, trainMapping } from "@villa/mapping";
 *
 * // Two images of two regions, whose texts mention red and blue, and red.
 * const data = {
 *   regions: Float32Array.of(1, 0, 0, 1, 1, 0, 0.6, 0.8), // [R, d]
 *   counts: Int32Array.of(2, 2), // [N] regions of each image
 *   labels: Uint8Array.of(1, 1, 1, 0), // [N, A] what each text mentions
 *   attributeEmbeddings: Float32Array.of(1, 0, 0, 1), // [A, d]
 * };
 * const model = await trainMapping({ ...data, attributes: ["red", "blue"], epochs: 10, batchSize: 2 });
 * const { assigned } = await mapRegions({ ...data, model, epsilon: 0.2 }); // image → region → attributes
 *
 * @module
 */
export { assignRegions, type Epsilon } from "./assign/assign.ts";
export {
  chooseEpsilon,
  chooseEpsilonPerAttribute,
  type EpsilonResult,
  epsilonSweep,
  type ScoredSplit,
} from "./assign/epsilon.ts";
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
export type { Batch, MappingData } from "./data/batches.ts";
export { buildSplit, type SplitData } from "./data/build-data.ts";
export type { EarlyStoppingOptions, HeadState, HeadValidation } from "./model/head-state.ts";
export { type HeadsOptions, type HeadWeights, initialHead } from "./model/heads.ts";
export { type MappingModel, makeModel, modelFromStateDict, modelStateDict } from "./model/model.ts";
export { type AttributeScores, type HeadSource, scoreRegions } from "./model/scores.ts";
export { type EpochSummary, summarizeHistory } from "./train/history.ts";
export type { Parallel } from "./train/parallel.ts";
export { type HeadEpoch, type TrainHeadsOptions, trainHeads } from "./train/train-heads.ts";
export { type TrainedMapping, type TrainMappingOptions, trainMapping } from "./train/train-mapping.ts";
export { type TrainOptions, trainOptions } from "./train/train-options.ts";
export type { ValidationSplit } from "./train/validate.ts";
