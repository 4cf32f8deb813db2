export { type ImagePairs, imagePairs, type PairableImage, type PairMode, splitSentences } from "./pairs.ts";
export {
  type CutOff,
  type RankingQuality,
  type RetrievalInput,
  type RetrievalMetrics,
  retrievalMetrics,
} from "./retrieval.ts";
export { SentenceEmbeddings, type SentenceEncoder } from "./textEmbeddings.ts";
