export {
  type ContrastiveBatch,
  contrastiveBatch,
  disposeBatch,
  type ImageGroup,
  imageTensor,
  type RgbImage,
} from "./batch.ts";
export { parseStage2Config, type Stage2Config, stage2Defaults, stage2Experiments, stage2Schema } from "./config.ts";
export { embedSplit, type LabelledImage, regionLabels } from "./evaluate.ts";
export { exportRegionEncoder } from "./onnx/exportRegionEncoder.ts";
export { type ImagePairs, imagePairs, type PairableImage, type PairMode, splitSentences } from "./pairs.ts";
export type { CutOff, RankingQuality } from "./ranking.ts";
export { embedRegions } from "./regionEncoder.ts";
export { type RetrievalInput, type RetrievalMetrics, retrievalMetrics } from "./retrieval.ts";
export { type Ranked, topAttributes, topRegions } from "./retrievalExamples.ts";
export { contrastiveGradients, contrastiveLoss } from "./step.ts";
export { SentenceEmbeddings, type SentenceEncoder } from "./textEmbeddings.ts";
export { type ContrastiveData, type TrainContrastiveOptions, trainContrastive } from "./train.ts";
