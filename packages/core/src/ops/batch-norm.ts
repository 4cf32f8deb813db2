import * as tf from "@tensorflow/tfjs-core";
import { checkArgument, VillaError } from "@villa/data";
import { runFused } from "../backend/fused.ts";
import { sumRows } from "./reduce.ts";

/** The weights and statistics of one layer. */
export interface BatchNormParameters {
  /** [C] scale (`weight` in torch). */
  readonly gamma: tf.Tensor;
  /** [C] shift (`bias` in torch). */
  readonly beta: tf.Tensor;
  readonly epsilon?: number | undefined;
  /** Applies ReLU to the result, in the same pass. */
  readonly relu?: boolean | undefined;
}

/** Settings of {@link batchNormTrain}. */
export interface BatchNormTrainOptions extends BatchNormParameters {
  /** Moved towards the batch's mean and unbiased variance; left out, they stay untouched. [C] each. */
  readonly runningMean?: tf.Variable | undefined;
  readonly runningVar?: tf.Variable | undefined;
  /** Weight of the new batch, torch's default 0.1. */
  readonly momentum?: number | undefined;
}

/**
 * BatchNorm with batch statistics over all axes but the last, optionally followed by ReLU, as one differentiable op. It
 * keeps x, three vectors and (for ReLU's mask) the result for the backward pass; TF.js's composition keeps about six maps.
 *
 * @param x [..., C] float32, at least two values per channel
 * @throws VillaError `Mismatch` when a channel has a single value (its variance is undefined), as torch does
 */
export function batchNormTrain<T extends tf.Tensor>(x: T, options: BatchNormTrainOptions): T {
  checkArgument("x", x, "tensor");
  checkArgument("options", options, {
    "runningMean?": "tensor",
    "runningVar?": "tensor",
    "momentum?": "number",
    gamma: "tensor",
    beta: "tensor",
    "epsilon?": "number",
    "relu?": "boolean",
  });

  const { gamma, beta, runningMean, runningVar, momentum = 0.1, epsilon = 1e-5, relu = false } = options;
  const channels = gamma.size;
  const rows = x.size / channels;
  if (rows < 2) {
    throw new VillaError(
      "Mismatch",
      "BatchNorm in training needs more than one value per channel; use a larger batch.",
    );
  }
  const normalize = tf.customGrad((...args) => {
    const [input, scale, shift, save] = args as unknown as [tf.Tensor, tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    const x2d = tf.reshape(input, [rows, channels]) as tf.Tensor2D; // [..., C] -> [N, C]
    const { y, mean, variance, inverseStd } = forward(x2d, scale, shift, epsilon, relu);
    updateRunning(runningMean, mean, momentum);
    updateRunning(runningVar, tf.mul(variance, rows / (rows - 1)), momentum);
    save(relu ? [x2d, scale, mean, inverseStd, y] : [x2d, scale, mean, inverseStd]);
    return {
      value: tf.reshape(y, input.shape),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const dy2d = tf.reshape(dy, [rows, channels]);
        const [dx, dgamma, dbeta] = backward(dy2d, saved, relu);
        return [tf.reshape(dx, x.shape), dgamma, dbeta];
      },
    };
  });
  return normalize(x, gamma, beta) as T;
}

/**
 * BatchNorm with given statistics (evaluation mode): one multiply-add per value, differentiable.
 *
 * @param x [..., C] float32
 */
export function batchNormInference<T extends tf.Tensor>(
  x: T,
  options: BatchNormParameters & { readonly runningMean: tf.Tensor; readonly runningVar: tf.Tensor },
): T {
  checkArgument("x", x, "tensor");
  checkArgument("options", options, {
    gamma: "tensor",
    beta: "tensor",
    "epsilon?": "number",
    "relu?": "boolean",
    runningMean: "tensor",
    runningVar: "tensor",
  });

  const { gamma, beta, runningMean, runningVar, epsilon = 1e-5, relu = false } = options;
  const channels = gamma.size;
  const apply = tf.customGrad((...args) => {
    const [input, scale, shift, save] = args as unknown as [tf.Tensor, tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    const x2d = tf.reshape(input, [-1, channels]); // [..., C] -> [N, C]
    const fused = runFused("VillaBatchNormInference", { x: x2d, scale, shift }, { relu });
    const affine = fused?.[0] ?? maybeRelu(tf.add(tf.mul(x2d, scale), shift), relu);
    const value = tf.reshape(affine, input.shape);
    save([input, value, scale]);
    return {
      value,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [x, y, scale] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
        const masked = relu ? tf.mul(dy, tf.step(y)) : dy;
        return [tf.mul(masked, scale), sumRows(tf.mul(masked, x)), sumRows(masked)];
      },
    };
  });
  const scale = tf.mul(gamma, tf.rsqrt(tf.add(runningVar, epsilon)));
  return apply(x, scale, tf.sub(beta, tf.mul(runningMean, scale))) as T;
}

interface BatchStatistics {
  /** [N, C] result. */
  readonly y: tf.Tensor;
  /** [C] each; the variance is the biased one. */
  readonly mean: tf.Tensor;
  readonly variance: tf.Tensor;
  readonly inverseStd: tf.Tensor;
}

function forward(x: tf.Tensor2D, gamma: tf.Tensor, beta: tf.Tensor, epsilon: number, relu: boolean): BatchStatistics {
  const fused = runFused("VillaBatchNormTrain", { x, gamma, beta }, { epsilon, relu });
  if (fused) {
    const [y, mean, variance, inverseStd] = fused as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
    return { y, mean, variance, inverseStd };
  }
  const rows = x.shape[0];
  const mean = tf.div(sumRows(x), rows);
  const centred = tf.sub(x, mean);
  const variance = tf.div(sumRows(tf.square(centred)), rows); // two passes: E[x²] - E[x]² cancels
  const inverseStd = tf.rsqrt(tf.add(variance, epsilon));
  const y = maybeRelu(tf.add(tf.mul(centred, tf.mul(gamma, inverseStd)), beta), relu);
  return { y, mean, variance, inverseStd };
}

/** [dx [N, C], dgamma [C], dbeta [C]]. */
function backward(dy: tf.Tensor, saved: readonly tf.Tensor[], relu: boolean): [tf.Tensor, tf.Tensor, tf.Tensor] {
  const [x, gamma, mean, inverseStd, y = x] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor?];
  const fused = runFused("VillaBatchNormTrainGrad", { dy, x, y, gamma, mean, inverseStd }, { relu });
  if (fused) return fused as [tf.Tensor, tf.Tensor, tf.Tensor];
  const rows = x.shape[0]!;
  const masked = relu ? tf.mul(dy, tf.step(y)) : dy;
  const xHat = tf.mul(tf.sub(x, mean), inverseStd);
  const dbeta = sumRows(masked);
  const dgamma = sumRows(tf.mul(masked, xHat));
  const centred = tf.sub(masked, tf.add(tf.mul(xHat, tf.div(dgamma, rows)), tf.div(dbeta, rows)));
  return [tf.mul(centred, tf.mul(gamma, inverseStd)), dgamma, dbeta];
}

/** running ← (1 - momentum)·running + momentum·batch, in place. */
function updateRunning(running: tf.Variable | undefined, batch: tf.Tensor, momentum: number): void {
  running?.assign(tf.add(tf.mul(running, 1 - momentum), tf.mul(batch, momentum)));
}

function maybeRelu(x: tf.Tensor, relu: boolean): tf.Tensor {
  return relu ? tf.relu(x) : x;
}
