/**
 * Stage 2, the vision-language model (paper, section 3.3): contrastive training on region-text pairs, and its uses.
 *
 * @example
 * import { initModifiedResNet } from "@villa/encoders";
 * import { type ContrastiveData, trainContrastive } from "@villa/vlm";
 *
 * // Trains a small tower on region-text pairs; `imagePairs` makes them.
 * async function train(pairs: ContrastiveData) {
 *   const tower = initModifiedResNet({ layers: [1, 1, 1, 1], width: 8, embedDim: 64, seed: 23 });
 *   const { history } = await trainContrastive(tower, { train: pairs }, { batchSize: 32, epochs: 10 });
 *   return { tower, history };
 * }
 *
 * @module
 */
export { exportRegionEncoder } from "@villa/encoders";
export { type Augmentation, type AugmentOptions, augmentation, type BoxedPicture } from "./augment.ts";
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
export { type ImagePairs, imagePairs, type PairableImage, type PairMode, type RegionShape } from "./pairs.ts";
export { embedRegions } from "./region-encoder.ts";
export { contrastiveGradients } from "./step.ts";
export { SentenceEmbeddings, type SentenceEncoder } from "./text-embeddings.ts";
export { type ContrastiveData, type TrainContrastiveOptions, trainContrastive } from "./train.ts";
export { type AttributeClass, attributeClasses, hasClass } from "./zero-shot/attribute-classes.ts";
export { classEmbeddings, classPrompts, defaultTemplates } from "./zero-shot/class-embeddings.ts";
export { type DetectOptions, detectRegions, type RegionDetection } from "./zero-shot/detect-regions.ts";
export { type PyramidOptions, pyramidBoxes } from "./zero-shot/pyramid-boxes.ts";
export { boxScoreMap } from "./zero-shot/score-map.ts";
