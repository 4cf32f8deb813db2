export { exportRegionEncoder } from "@villa/encoders";
export { backendScores } from "./backend-scores.ts";
export {
  type ContrastiveBatch,
  contrastiveBatch,
  disposeBatch,
  type ImageGroup,
} from "./batch.ts";
export { type Stage2Config, type Stage2Settings, stage2Config, stage2Experiments, stage2Schema } from "./config.ts";
export { embedSplit, type LabelledImage, regionLabels } from "./evaluate.ts";
export { type ContrastiveObjective, contrastiveObjective, type ObjectiveOptions } from "./objective.ts";
export { type ImagePairs, imagePairs, type PairableImage, type PairMode } from "./pairs.ts";
export { embedRegions } from "./region-encoder.ts";
export { type Ranked, topAttributes, topRegions } from "./retrieval-examples.ts";
export { contrastiveGradients, contrastiveLoss } from "./step.ts";
export { SentenceEmbeddings, type SentenceEncoder } from "./text-embeddings.ts";
export { type ContrastiveData, type TrainContrastiveOptions, trainContrastive } from "./train.ts";
export { type AttributeClass, attributeClasses, hasClass } from "./zero-shot/attribute-classes.ts";
export { classEmbeddings, classPrompts, defaultTemplates } from "./zero-shot/class-embeddings.ts";
export { type DetectOptions, detectRegions, type RegionDetection } from "./zero-shot/detect-regions.ts";
export { type PyramidOptions, pyramidBoxes } from "./zero-shot/pyramid-boxes.ts";
export { boxScoreMap } from "./zero-shot/score-map.ts";
