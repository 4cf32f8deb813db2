/**
 * What both stages stand on: backends, numerical operations, optimisers, settings and the training loop.
 *
 * @example
 * import * as tf from "@tensorflow/tfjs-core";
 * import { Adam, infoNCE, l2Normalize, linear, lossAndGradients, plainCpuBackend, useBackend } from "@villa/core";
 *
 * await useBackend({ candidates: [plainCpuBackend()] }); // or the candidates of @villa/backend-node
 * const images = tf.randomNormal([16, 8]);
 * const texts = l2Normalize(tf.randomNormal([16, 4]));
 * const weight = tf.variable(tf.randomNormal([4, 8]));
 * const parameters = new Map([["weight", weight]]);
 * const optimizer = new Adam({ parameters, learningRate: 0.05 });
 * const { loss, gradients } = await lossAndGradients(
 *   () => infoNCE(l2Normalize(linear(images, weight)) as tf.Tensor2D, texts as tf.Tensor2D, { temperature: 0.07 }),
 *   parameters,
 * );
 * optimizer.step(gradients);
 *
 * @module
 */
import "./ops/gradients/register.ts";

export { type CompiledGraph, type GraphCompiler, graphCompiler } from "./backend/compiled-graph.ts";
export { plainCpuBackend } from "./backend/cpu.ts";
export {
  type ActiveBackend,
  type BackendCandidate,
  type BackendProbe,
  type BackendReport,
  probeBackends,
  type UseBackendOptions,
  useBackend,
} from "./backend/registry.ts";
export { type RowMultiplier, rowProducts } from "./backend/row-products.ts";
export type { TaskContext, TaskPool, TaskReference } from "./backend/task-pool.ts";
export { checkConfig, mergeSettings } from "./config/check.ts";
export { describeSettings, type SettingDescription } from "./config/describe.ts";
export { nearestName } from "./config/nearest.ts";
export { type ConfigSchema, type ConfigValues, type ResolveConfigOptions, resolveConfig } from "./config/resolve.ts";
export {
  filledText,
  listOf,
  notNegative,
  positive,
  requiredSetting,
  type Setting,
  setting,
  settingGroup,
  whole,
} from "./config/setting.ts";
export { snakeCaseKeys } from "./config/spelling.ts";
export { type AttentionOptions, attention } from "./ops/attention.ts";
export { avgPool2d } from "./ops/avg-pool.ts";
export {
  type BatchNormParameters,
  type BatchNormTrainOptions,
  batchNormInference,
  batchNormTrain,
} from "./ops/batch-norm.ts";
export { type Conv2dOptions, conv2d } from "./ops/conv.ts";
export { embedding } from "./ops/embedding.ts";
export { frozenWeight, requireHalves, type WeightStorage } from "./ops/frozen-weight.ts";
export { type GeluKind, gelu } from "./ops/gelu.ts";
export { infoNCE } from "./ops/info-nce.ts";
export { layerNorm } from "./ops/layer-norm.ts";
export { linear } from "./ops/linear.ts";
export { l2Normalize, logSumExp } from "./ops/normalize.ts";
export { sumRows } from "./ops/reduce.ts";
export { prepareRoiAlign, type RoiAlignOptions, roiAlign } from "./ops/roi-align.ts";
export { type RoiGeometry, roiAxisWeights } from "./ops/roi-weights.ts";
export { sigmoidLoss } from "./ops/sigmoid-loss.ts";
export { readTensor, toTensor } from "./ops/tensor-data.ts";
export {
  type TransformerBlockOptions,
  type TransformerBlockWeights,
  transformerBlock,
} from "./ops/transformer-block.ts";
export { Adam, type AdamOptions, AdamW, adamDefaults } from "./optim/adam.ts";
export { CosineSchedule, type CosineScheduleOptions } from "./optim/cosine.ts";
export type { LearningRateSchedule, Optimizer, OptimizerState } from "./optim/optimizer.ts";
export { ReduceLROnPlateau, type ReduceLROnPlateauOptions, type ReduceLROnPlateauState } from "./optim/plateau.ts";
export { EarlyStopping, type EarlyStoppingState } from "./run/early-stopping.ts";
export { type Fingerprint, fingerprintText } from "./run/fingerprint.ts";
export type { MetricsLog, MetricsRecord } from "./run/metrics.ts";
export { type BatchOptions, stepsPerEpoch } from "./train/batches.ts";
export { formatCheckpoint } from "./train/checkpoint-file.ts";
export { type LossAndGradients, lossAndGradients } from "./train/gradients.ts";
export { trainLoop } from "./train/loop.ts";
export { type ContrastiveMicroBatchOptions, contrastiveMicroBatch } from "./train/micro-batch.ts";
export type {
  CheckpointStore,
  EpochResult,
  StepPosition,
  TrainOptions,
  TrainResult,
} from "./train/options.ts";
export {
  type Checkpoint,
  type RunPosition,
  restoreVariables,
} from "./train/state.ts";
