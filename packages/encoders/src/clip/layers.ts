import * as tf from "@tensorflow/tfjs-core";
import { batchNormTrain, frozenWeight, type WeightStorage } from "@villa/core";
import type { WeightArray } from "./parameters.ts";
import { oihwToHwio } from "./state-dict.ts";

const epsilon = 1e-5;
const momentum = 0.1;

/** A convolution followed by BatchNorm, by their names in the checkpoint. */
export interface ConvNorm {
  readonly conv: string;
  readonly norm: string;
  readonly stride?: 1 | 2 | undefined;
  readonly relu?: boolean | undefined;
  /** Added after BatchNorm and before ReLU: a bottleneck's shortcut. */
  readonly residual?: tf.Tensor4D | undefined;
}

/**
 * How the network's forward pass computes its layers. It is written once against this interface: training normalises
 * with batch statistics, inference uses BatchNorm folded into the convolutions.
 */
export interface VisionLayers {
  /** Convolution, BatchNorm, residual, ReLU. Kernel 3 × 3 (padding 1) or 1 × 1, as the weights say. */
  convNorm(input: tf.Tensor4D, names: ConvNorm): tf.Tensor4D;
  /** Only the linear part, [n, h, w, in] → [n, h, w, out] with the scale of BatchNorm if that is folded. */
  convOnly(input: tf.Tensor4D, conv: string): tf.Tensor4D;
  /** What is left of BatchNorm after {@link convOnly}. */
  normOnly(input: tf.Tensor4D, names: ConvNorm): tf.Tensor4D;
  /** A weight outside of convolutions and BatchNorm. */
  parameter(name: string): tf.Tensor;
}

/**
 * Convolution with PyTorch's padding of (size − 1) / 2. A 1 × 1 convolution is a plain matrix product.
 *
 * @param filter [size, size, in, out]
 * @param bias [out]
 */
export function convolve(
  input: tf.Tensor4D,
  filter: tf.Tensor4D,
  {
    stride = 1,
    bias,
    relu = false,
  }: { stride?: 1 | 2 | undefined; bias?: tf.Tensor1D | undefined; relu?: boolean | undefined } = {},
): tf.Tensor4D {
  const [size, , inputs, outputs] = filter.shape;
  const activation = relu ? "relu" : "linear";
  if (size === 1 && stride === 1) {
    const [batch, height, width] = input.shape;
    const a = tf.reshape(input, [batch * height * width, inputs]);
    const b = tf.reshape(filter, [inputs, outputs]);
    const product = bias ? tf.fused.matMul({ a, b, bias, activation }) : tf.matMul(a, b);
    return tf.reshape(product, [batch, height, width, outputs]);
  }
  const pad = (size - 1) / 2;
  if (bias) return tf.fused.conv2d({ x: input, filter, strides: stride, pad, bias, activation }) as tf.Tensor4D;
  return tf.conv2d(input, filter, stride, pad);
}

/** Layers that normalise with the batch's statistics and move the running ones; gradients reach every weight. */
export class TrainingLayers implements VisionLayers {
  readonly #parameters: ReadonlyMap<string, tf.Tensor>;
  readonly #updateStatistics: boolean;

  constructor(parameters: ReadonlyMap<string, tf.Tensor>, updateStatistics: boolean) {
    this.#parameters = parameters;
    this.#updateStatistics = updateStatistics;
  }

  convNorm(input: tf.Tensor4D, names: ConvNorm): tf.Tensor4D {
    const { conv, stride = 1 } = names;
    return this.normOnly(convolve(input, this.#filter(conv), { stride }), names);
  }

  convOnly(input: tf.Tensor4D, conv: string): tf.Tensor4D {
    return convolve(input, this.#filter(conv));
  }

  normOnly(input: tf.Tensor4D, { norm, relu = false, residual }: ConvNorm): tf.Tensor4D {
    const part = <T extends tf.Tensor>(name: string) => this.parameter(`${norm}.${name}`) as T;
    const statistic = (name: string) => (this.#updateStatistics ? part<tf.Variable>(name) : undefined);
    const normalised = batchNormTrain(input, {
      gamma: part("weight"),
      beta: part("bias"),
      runningMean: statistic("running_mean"),
      runningVar: statistic("running_var"),
      momentum,
      epsilon,
      relu: relu && !residual,
    }) as tf.Tensor4D;
    if (!residual) return normalised;
    const sum = tf.add(normalised, residual) as tf.Tensor4D;
    return relu ? tf.relu(sum) : sum;
  }

  parameter(name: string): tf.Tensor {
    return this.#parameters.get(name)!;
  }

  #filter(conv: string): tf.Tensor4D {
    return this.parameter(`${conv}.weight`) as tf.Tensor4D;
  }
}

/** What {@link FoldedLayers.fromArrays} folds. */
interface ArrayLayers {
  readonly arrays: ReadonlyMap<string, WeightArray>;
  readonly pairs: readonly ConvNorm[];
  readonly storage?: WeightStorage | undefined;
}

/** Layers for inference: BatchNorm's scale is folded into the filters, its shift into a bias. */
export class FoldedLayers implements VisionLayers {
  readonly #parameters: ReadonlyMap<string, tf.Tensor>;
  readonly #filters = new Map<string, tf.Tensor4D>();
  readonly #biases = new Map<string, tf.Tensor1D>();
  readonly #sources: readonly object[];

  private constructor(parameters: ReadonlyMap<string, tf.Tensor>) {
    this.#parameters = parameters;
    this.#sources = dataIds(parameters);
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
      layers.#filters.set(conv, tf.keep(filter));
      layers.#biases.set(norm, tf.keep(bias));
    }
    return layers;
  }

  /**
   * Folds a checkpoint's arrays: only the folded weights ever reach the backend.
   *
   * @param parameters weights outside of convolutions and BatchNorm, on the backend
   */
  static fromArrays(parameters: ReadonlyMap<string, tf.Tensor>, { arrays, pairs, storage }: ArrayLayers): FoldedLayers {
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
      layers.#filters.set(
        conv,
        tf.keep(frozenWeight(filter, [height, width, inputs, outputs], storage) as tf.Tensor4D),
      );
      layers.#biases.set(norm, tf.keep(tf.tensor1d(beta.map((value, i) => value - mean[i]! * scale[i]!))));
    }
    return layers;
  }

  /** False once a weight was replaced, so that folding has to be done again. */
  isCurrent(): boolean {
    const now = dataIds(this.#parameters);
    return now.length === this.#sources.length && now.every((id, i) => id === this.#sources[i]);
  }

  convNorm(input: tf.Tensor4D, { conv, norm, stride = 1, relu = false, residual }: ConvNorm): tf.Tensor4D {
    const filter = this.#filters.get(conv)!;
    const bias = this.#biases.get(norm)!;
    if (!residual) return convolve(input, filter, { stride, bias, relu });
    const sum = tf.add(convolve(input, filter, { stride, bias }), residual) as tf.Tensor4D;
    return relu ? tf.relu(sum) : sum;
  }

  convOnly(input: tf.Tensor4D, conv: string): tf.Tensor4D {
    return convolve(input, this.#filters.get(conv)!);
  }

  normOnly(input: tf.Tensor4D, { norm, relu = false, residual }: ConvNorm): tf.Tensor4D {
    let output = tf.add(input, this.#biases.get(norm)!) as tf.Tensor4D;
    if (residual) output = tf.add(output, residual);
    return relu ? tf.relu(output) : output;
  }

  parameter(name: string): tf.Tensor {
    return this.#parameters.get(name)!;
  }

  dispose(): void {
    tf.dispose([...this.#filters.values(), ...this.#biases.values()]);
  }
}

/** A variable gets a new dataId with every assignment. */
function dataIds(parameters: ReadonlyMap<string, tf.Tensor>): object[] {
  return [...parameters.values()].map((tensor) => tensor.dataId);
}

/** Looks a weight up by its name after `visual.attnpool.`. */
type Weights = (name: string) => tf.Tensor;

/**
 * CLIP's attention pool: the mean of all positions asks the positions and itself, through multi-head attention.
 *
 * There is a single query, so keys and values are never projected: each head's key projection is folded into its query
 * (the key bias cancels in the softmax) and the positions are averaged before the value projection. Exact, and 15 M
 * instead of 420 M multiply-adds a region for RN50.
 *
 * @param features [n, g, g, C]
 * @param heads attention heads; C / heads channels each
 * @returns [n, embedDim]
 */
export function attentionPool(features: tf.Tensor4D, weights: Weights, heads: number): tf.Tensor2D {
  return tf.tidy(() => {
    const [count, height, width, channels] = features.shape;
    const headSize = channels / heads;
    const positions = tf.reshape(features, [count, height * width, channels]);
    const mean = tf.mean(positions, 1, true);
    const tokens = tf.add(tf.concat([mean, positions], 1), weights("positional_embedding")); // [n, 1 + g², C]

    const first = tf.slice(tokens, [0, 0, 0], [count, 1, channels]);
    const query = tf.add(
      tf.matMul(tf.reshape(first, [count, channels]), weights("q_proj.weight") as tf.Tensor2D, false, true),
      // The key bias cancels, but optimisers must see its gradient, zero: weight decay moves it all the same.
      tf.add(weights("q_proj.bias"), tf.mul(weights("k_proj.bias"), 0)),
    );
    const scaled = tf.mul(query, headSize ** -0.5);
    const byHead = tf.transpose(tf.reshape(scaled, [count, heads, headSize]), [1, 0, 2]); // [heads, n, C / heads]
    const keyProjection = tf.reshape(weights("k_proj.weight"), [heads, headSize, channels]);
    const folded = tf.transpose(tf.matMul(byHead, keyProjection), [1, 0, 2]); // [n, heads, C]

    const attention = tf.softmax(tf.matMul(folded, tokens, false, true)); // [n, heads, 1 + g²]
    const averaged = tf.transpose(tf.matMul(attention, tokens), [1, 0, 2]); // [heads, n, C]
    const valueProjection = tf.reshape(weights("v_proj.weight"), [heads, headSize, channels]);
    const values = tf.transpose(tf.matMul(averaged, valueProjection, false, true), [1, 0, 2]); // [n, heads, C / heads]
    const joined = tf.add(tf.reshape(values, [count, channels]), weights("v_proj.bias")) as tf.Tensor2D;
    return linear(joined, weights, "c_proj");
  });
}

/** x·Wᵀ + b with torch's [out, in] weight. */
function linear(input: tf.Tensor2D, weights: Weights, name: string): tf.Tensor2D {
  return tf.add(tf.matMul(input, weights(`${name}.weight`) as tf.Tensor2D, false, true), weights(`${name}.bias`));
}
