/**
 * Measures as pure functions: numbers in, numbers out.
 *
 * @example
 * const { at } = topKAccuracy({ scores: [0.1, 0.9, 0.8, 0.2], labels: [1, 1], classes: 2 });
 * at[0]; // { k: 1, accuracy: 0.5, meanPerClass: 0.5 }
 *
 * @module
 */
export { auroc, type LabelAuroc, type LabelScores } from "./classification/auroc.ts";
export { type BalancedSampleOptions, balancedSample, type LabelSample } from "./classification/balanced-sample.ts";
export { type AccuracyAt, type ClassScores, type TopKAccuracy, topKAccuracy } from "./classification/top-k.ts";
