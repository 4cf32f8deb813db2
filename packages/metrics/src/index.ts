/**
 * Measures as pure functions: numbers in, numbers out.
 *
 * @example
 * import { bootstrap, cocoEvaluation } from "@villa/metrics";
 *
 * const truth = {
 *   images: [{ id: 1, width: 100, height: 100 }],
 *   categories: [{ id: 1, name: "mug" }],
 *   annotations: [{ id: 1, image_id: 1, category_id: 1, bbox: [10, 10, 40, 40], area: 1600, iscrowd: 0 as const }],
 * };
 * const detections = [{ image_id: 1, category_id: 1, bbox: [12, 10, 40, 40], score: 0.9 }];
 * const evaluation = cocoEvaluation({ truth, detections });
 * evaluation.numbers.AP50; // 1
 *
 * const { AP } = await bootstrap({ items: evaluation.images.length, measure: evaluation.resample });
 * AP; // { value: 0.9, low: 0.9, high: 0.9, undefinedResamples: 0 }
 *
 * @module
 */
export {
  decodeRle,
  encodeRle,
  formatRleString,
  type ImageSize,
  parseRleString,
  polygonsRle,
  type Rle,
  rleArea,
  rleBox,
} from "@villa/data";
export {
  type BootstrapOptions,
  bootstrap,
  type Interval,
  type SampleNumbers,
} from "./bootstrap/bootstrap.ts";
export {
  type Evidence,
  type Observations,
  type RankedScores,
  type RankingMeasure,
  sampleMeasure,
} from "./bootstrap/evidence.ts";
export { type PairedBootstrapOptions, type PairedDifference, pairedBootstrap } from "./bootstrap/paired-bootstrap.ts";
export type { ResamplingOptions } from "./bootstrap/resample.ts";
export { type Box, boxIou } from "./box.ts";
export { auroc, type LabelAuroc, type LabelScores } from "./classification/auroc.ts";
export { type BalancedSampleOptions, balancedSample, type LabelSample } from "./classification/balanced-sample.ts";
export { type AccuracyAt, type ClassScores, type TopKAccuracy, topKAccuracy } from "./classification/top-k.ts";
export { boxWarnings, type PlacedBoxes } from "./detection/box-warnings.ts";
export { categorySplits } from "./detection/category-splits.ts";
export {
  type CocoEvaluation,
  type CocoNumberName,
  type CocoNumbers,
  type CocoOptions,
  cocoEvaluation,
  cocoNumberNames,
} from "./detection/coco-evaluation.ts";
export type {
  CocoAnnotation,
  CocoBox,
  CocoCategory,
  CocoDataset,
  CocoDetection,
  CocoImage,
  CocoSegmentation,
  DetectionWarning,
  IouType,
} from "./detection/coco-format.ts";
export type {
  CategoryResult,
  DetectionCurves,
  DetectionDetails,
  DetectionEvaluation,
  DetectionInput,
} from "./detection/evaluation.ts";
export {
  type LvisCategoryNumberName,
  type LvisEvaluation,
  type LvisNumberName,
  type LvisNumbers,
  type LvisOptions,
  lvisEvaluation,
  lvisNumberNames,
} from "./detection/lvis-evaluation.ts";
export {
  type DetectionMistake,
  detectionMistakes,
  type MistakeKind,
  type MistakesInput,
} from "./detection/mistakes.ts";
export { type NmsOptions, nonMaximumSuppression } from "./detection/nms.ts";
export type { Numbers } from "./detection/summary.ts";
export { type FineGrainedAccuracy, fineGrainedAccuracy } from "./fine-grained/fine-grained-accuracy.ts";
export { type HardNegative, type HardNegativeOptions, hardNegatives } from "./fine-grained/hard-negatives.ts";
export { type ContrastToNoise, contrastToNoise } from "./grounding/contrast-to-noise.ts";
export {
  type GroundingOptions,
  type GroundingProtocol,
  type GroundingQuery,
  type PhraseGrounding,
  phraseGrounding,
} from "./grounding/phrase-grounding.ts";
export { type PointingGame, type PointingOptions, pointingGame } from "./grounding/pointing-game.ts";
export type { ScoreMap } from "./grounding/score-map.ts";
export {
  addCounts,
  countMapping,
  type MappingCounts,
  type MappingMetrics,
  mappingMetrics,
  metricsFromCounts,
  noCounts,
} from "./mapping.ts";
export {
  type ImageTextOptions,
  type ImageTextRetrieval,
  imageTextRetrieval,
  type RetrievalRecall,
  type ScoreBlock,
} from "./retrieval/image-text-retrieval.ts";
export { type CutOff, type RankingQuality, type RowQuality, rankRows } from "./retrieval/ranking.ts";
export {
  type RegionScores,
  type RegionTextEmbeddings,
  type RetrievalInput,
  type RetrievalMetrics,
  type Rows,
  retrievalMetrics,
} from "./retrieval/region-text-retrieval.ts";
