import * as tf from "@tensorflow/tfjs-core";
import { type ConvNorm, convolve, type VisionLayers } from "./layers.ts";
import { oihwToHwio } from "./parameters.ts";
import type { WeightArray } from "./text-transformer.ts";

const epsilon = 1e-5;

/** Layers for inference: BatchNorm's scale is folded into the filters, its shift into a bias. */
export class FoldedLayers implements VisionLayers {
  private readonly parameters: ReadonlyMap<string, tf.Tensor>;
  private readonly filters = new Map<string, tf.Tensor4D>();
  private readonly biases = new Map<string, tf.Tensor1D>();
  private readonly sources: readonly object[];

  private constructor(parameters: ReadonlyMap<string, tf.Tensor>) {
    this.parameters = parameters;
    this.sources = dataIds(parameters);
  }

  /**
   * Folds weights that are on the backend, e.g. to validate during training.
   *
   * @param pairs every convolution with the BatchNorm behind it
   */
  static fromTensors(parameters: ReadonlyMap<string, tf.Tensor>, pairs: readonly ConvNorm[]): FoldedLayers {
    const layers = new FoldedLayers(parameters);
    for (const { conv, norm } of pairs) {
      const part = (name: string) => parameters.get(`${norm}.${name}`) as tf.Tensor1D;
      const [filter, bias] = tf.tidy(() => {
        const scale = tf.div(part("weight"), tf.sqrt(tf.add(part("running_var"), epsilon)));
        const shift = tf.sub(part("bias"), tf.mul(part("running_mean"), scale));
        return [tf.mul(parameters.get(`${conv}.weight`)!, scale), shift] as [tf.Tensor4D, tf.Tensor1D];
      });
      layers.filters.set(conv, tf.keep(filter));
      layers.biases.set(norm, tf.keep(bias));
    }
    return layers;
  }

  /**
   * Folds a checkpoint's arrays: only the folded weights ever reach the backend.
   *
   * @param parameters weights outside of convolutions and BatchNorm, on the backend
   */
  static fromArrays(
    parameters: ReadonlyMap<string, tf.Tensor>,
    arrays: ReadonlyMap<string, WeightArray>,
    pairs: readonly ConvNorm[],
  ): FoldedLayers {
    const layers = new FoldedLayers(parameters);
    for (const { conv, norm } of pairs) {
      const part = (name: string) => arrays.get(`${norm}.${name}`)!.data;
      const { shape, data } = arrays.get(`${conv}.weight`)!;
      const [outputs, inputs, height, width] = shape as readonly [number, number, number, number];
      const [gamma, beta, mean, variance] = ["weight", "bias", "running_mean", "running_var"].map(part) as [
        Float32Array,
        Float32Array,
        Float32Array,
        Float32Array,
      ];
      const scale = gamma.map((value, i) => value / Math.sqrt(variance[i]! + epsilon));
      const filter = oihwToHwio(data, shape);
      for (let at = 0; at < filter.length; at += outputs) {
        for (let o = 0; o < outputs; o++) filter[at + o]! *= scale[o]!;
      }
      layers.filters.set(conv, tf.keep(tf.tensor4d(filter, [height, width, inputs, outputs])));
      layers.biases.set(norm, tf.keep(tf.tensor1d(beta.map((value, i) => value - mean[i]! * scale[i]!))));
    }
    return layers;
  }

  /** False once a weight was replaced, so that folding has to be done again. */
  isCurrent(): boolean {
    const now = dataIds(this.parameters);
    return now.length === this.sources.length && now.every((id, i) => id === this.sources[i]);
  }

  convNorm(input: tf.Tensor4D, { conv, norm, stride = 1, relu = false, residual }: ConvNorm): tf.Tensor4D {
    const filter = this.filters.get(conv)!;
    const bias = this.biases.get(norm)!;
    if (!residual) return convolve(input, filter, { stride, bias, relu });
    const sum = tf.add(convolve(input, filter, { stride, bias }), residual) as tf.Tensor4D;
    return relu ? tf.relu(sum) : sum;
  }

  convOnly(input: tf.Tensor4D, conv: string): tf.Tensor4D {
    return convolve(input, this.filters.get(conv)!);
  }

  normOnly(input: tf.Tensor4D, { norm, relu = false, residual }: ConvNorm): tf.Tensor4D {
    let output = tf.add(input, this.biases.get(norm)!) as tf.Tensor4D;
    if (residual) output = tf.add(output, residual);
    return relu ? tf.relu(output) : output;
  }

  parameter(name: string): tf.Tensor {
    return this.parameters.get(name)!;
  }

  dispose(): void {
    tf.dispose([...this.filters.values(), ...this.biases.values()]);
  }
}

/** A variable gets a new dataId with every assignment. */
function dataIds(parameters: ReadonlyMap<string, tf.Tensor>): object[] {
  return [...parameters.values()].map((tensor) => tensor.dataId);
}
