import * as tf from "@tensorflow/tfjs-core";
import { type ConvNorm, convolve, type VisionLayers } from "./layers.ts";

const epsilon = 1e-5;

/** Layers for inference: BatchNorm's scale is folded into the filters, its shift into a bias. */
export class FoldedLayers implements VisionLayers {
  private readonly parameters: ReadonlyMap<string, tf.Tensor>;
  private readonly filters = new Map<string, tf.Tensor4D>();
  private readonly biases = new Map<string, tf.Tensor1D>();
  private readonly sources: readonly object[];

  /** @param pairs every convolution with the BatchNorm behind it */
  constructor(parameters: ReadonlyMap<string, tf.Tensor>, pairs: readonly ConvNorm[]) {
    this.parameters = parameters;
    this.sources = dataIds(parameters);
    for (const { conv, norm } of pairs) this.fold(conv, norm);
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

  private fold(conv: string, norm: string): void {
    const part = (name: string) => this.parameter(`${norm}.${name}`) as tf.Tensor1D;
    const [filter, bias] = tf.tidy(() => {
      const scale = tf.div(part("weight"), tf.sqrt(tf.add(part("running_var"), epsilon)));
      const shift = tf.sub(part("bias"), tf.mul(part("running_mean"), scale));
      return [tf.mul(this.parameter(`${conv}.weight`), scale), shift] as [tf.Tensor4D, tf.Tensor1D];
    });
    this.filters.set(conv, tf.keep(filter));
    this.biases.set(norm, tf.keep(bias));
  }
}

/** A variable gets a new dataId with every assignment. */
function dataIds(parameters: ReadonlyMap<string, tf.Tensor>): object[] {
  return [...parameters.values()].map((tensor) => tensor.dataId);
}
