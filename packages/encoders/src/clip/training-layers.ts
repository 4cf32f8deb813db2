import * as tf from "@tensorflow/tfjs-core";
import { batchNormTrain } from "@villa/core";
import { type ConvNorm, convolve, type VisionLayers } from "./layers.ts";

const epsilon = 1e-5;
const momentum = 0.1;

/** Layers that normalise with the batch's statistics and move the running ones; gradients reach every weight. */
export class TrainingLayers implements VisionLayers {
  private readonly parameters: ReadonlyMap<string, tf.Tensor>;
  private readonly updateStatistics: boolean;

  constructor(parameters: ReadonlyMap<string, tf.Tensor>, updateStatistics: boolean) {
    this.parameters = parameters;
    this.updateStatistics = updateStatistics;
  }

  convNorm(input: tf.Tensor4D, names: ConvNorm): tf.Tensor4D {
    const { conv, stride = 1 } = names;
    return this.normOnly(convolve(input, this.filter(conv), { stride }), names);
  }

  convOnly(input: tf.Tensor4D, conv: string): tf.Tensor4D {
    return convolve(input, this.filter(conv));
  }

  normOnly(input: tf.Tensor4D, { norm, relu = false, residual }: ConvNorm): tf.Tensor4D {
    const part = <T extends tf.Tensor>(name: string) => this.parameter(`${norm}.${name}`) as T;
    const statistics = this.updateStatistics
      ? { runningMean: part<tf.Variable>("running_mean"), runningVar: part<tf.Variable>("running_var") }
      : {};
    const normalised = batchNormTrain(input, {
      gamma: part("weight"),
      beta: part("bias"),
      ...statistics,
      momentum,
      eps: epsilon,
      relu: relu && !residual,
    }) as tf.Tensor4D;
    if (!residual) return normalised;
    const sum = tf.add(normalised, residual) as tf.Tensor4D;
    return relu ? tf.relu(sum) : sum;
  }

  parameter(name: string): tf.Tensor {
    return this.parameters.get(name)!;
  }

  private filter(conv: string): tf.Tensor4D {
    return this.parameter(`${conv}.weight`) as tf.Tensor4D;
  }
}
