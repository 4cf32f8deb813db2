import { checkArgument, type TensorData, toFloat32, VillaError } from "@villa/data";
import type { ModifiedResNetConfig, WeightArray } from "../clip/parameters.ts";
import { resNetRule } from "../clip/parameters.ts";
import { OnnxGraph } from "./graph.ts";

const batchNormEpsilon = 1e-5;

/**
 * The trained image side as an ONNX file, BatchNorm folded in, so that any ONNX runtime serves it.
 *
 * Inputs: `images` float32 [batch, 3, height, width] in 0 … 1; `boxes` float32 [regions, 4] as x0, y0, x1, y1 in pixels;
 * `image_index` int64 [regions], the image each box belongs to. Output: `embeddings` float32 [regions, embedDim],
 * L2-normalised.
 *
 * @param stateDict `visual.*` tensors in torch's names and layout, see `visionStateDict`
 */
export function exportRegionEncoder(
  stateDict: ReadonlyMap<string, TensorData>,
  config: ModifiedResNetConfig,
): Uint8Array {
  checkArgument("stateDict", stateDict, "Map");
  checkArgument("config", config, resNetRule);

  const graph = new OnnxGraph();
  const builder = new TowerBuilder(graph, stateDict);
  const images = graph.input("images", "float32", ["batch", 3, "height", "width"]);
  const boxes = graph.input("boxes", "float32", ["regions", 4]);
  const imageIndex = graph.input("image_index", "int64", ["regions"]);

  const x = builder.backbone(images, config);

  // RoIAlign's scale is a fixed attribute in ONNX; scaling the boxes instead lets images be of any size.
  const scale = graph.node("Div", [builder.widthOf(x), builder.widthOf(images)]);
  const aligned = graph.node("RoiAlign", [x, graph.node("Mul", [boxes, scale]), imageIndex], {
    output_height: config.gridSize * 2,
    output_width: config.gridSize * 2,
    sampling_ratio: 0,
    spatial_scale: { float: 1 },
    mode: "avg",
    coordinate_transformation_mode: "half_pixel",
  });
  const pooled = builder.attentionPool(builder.layer(aligned, 4, config), config);
  const norm = graph.node("ReduceL2", [pooled], { axes: [1], keepdims: 1 });
  graph.node("Div", [pooled, graph.node("Max", [norm, graph.scalar(1e-12)])], {}, "embeddings");
  graph.output("embeddings", "float32", ["regions", config.embedDim]);
  return graph.finish("villa-region-encoder");
}

/** A tensor of a file, or a checked array. */
type Weights = TensorData | WeightArray;

/** Adds a ModifiedResNet's parts to a graph, in ONNX's layout [n, channels, height, width]. */
export class TowerBuilder {
  readonly #graph: OnnxGraph;
  readonly #stateDict: ReadonlyMap<string, Weights>;

  constructor(graph: OnnxGraph, stateDict: ReadonlyMap<string, Weights>) {
    this.#graph = graph;
    this.#stateDict = stateDict;
  }

  /** Stem … layer3. */
  backbone(images: string, config: ModifiedResNetConfig): string {
    let x = images;
    for (const [i, stride] of [2, 1, 1].entries()) {
      x = this.convNorm(x, `visual.conv${i + 1}`, `visual.bn${i + 1}`, { stride, padding: 1, relu: true });
    }
    x = this.halve(x);
    for (const layer of [1, 2, 3]) x = this.layer(x, layer, config);
    return x;
  }

  layer(input: string, layer: number, config: ModifiedResNetConfig): string {
    let x = input;
    for (let block = 0; block < config.layers[layer - 1]!; block++) {
      x = this.#bottleneck(x, `visual.layer${layer}.${block}`, block === 0 && layer > 1);
    }
    return x;
  }

  convNorm(
    input: string,
    conv: string,
    norm: string,
    {
      stride = 1,
      padding = 0,
      relu = false,
    }: { stride?: number | undefined; padding?: number | undefined; relu?: boolean | undefined },
  ): string {
    const filter = this.#tensor(`${conv}.weight`);
    const [gamma, beta, mean, variance] = ["weight", "bias", "running_mean", "running_var"].map(
      (part) => this.#tensor(`${norm}.${part}`).values,
    ) as [Float32Array, Float32Array, Float32Array, Float32Array];
    const [outputs, , side] = filter.shape as [number, number, number, number];
    const perOutput = filter.values.length / outputs;
    const folded = new Float32Array(filter.values.length);
    const bias = new Float32Array(outputs);
    for (let o = 0; o < outputs; o++) {
      const scale = gamma[o]! / Math.sqrt(variance[o]! + batchNormEpsilon);
      bias[o] = beta[o]! - mean[o]! * scale;
      for (let i = o * perOutput; i < (o + 1) * perOutput; i++) folded[i] = filter.values[i]! * scale;
    }
    const inputs = [input, this.#graph.weights(folded, filter.shape, conv), this.#graph.weights(bias, [outputs], norm)];
    const x = this.#graph.node("Conv", inputs, {
      kernel_shape: [side, side],
      strides: [stride, stride],
      pads: [padding, padding, padding, padding],
    });
    return relu ? this.#graph.node("Relu", [x]) : x;
  }

  halve(input: string): string {
    return this.#graph.node("AveragePool", [input], { kernel_shape: [2, 2], strides: [2, 2] });
  }

  /** A float32 scalar: the last side of an NCHW tensor. */
  widthOf(input: string): string {
    const shape = this.#graph.node("Shape", [input]);
    return this.#graph.node("Cast", [this.#graph.node("Gather", [shape, this.#graph.integers([3], [])])], { to: 1 });
  }

  /** [R, C, g, g] → [R, embedDim]: the mean attends to itself and to every position. */
  attentionPool(input: string, { heads, width, gridSize }: ModifiedResNetConfig): string {
    const graph = this.#graph;
    const channels = width * 32;
    const tokens = gridSize ** 2 + 1;
    const perHead = channels / heads;
    const grid = graph.node("Transpose", [graph.node("Reshape", [input, graph.integers([0, channels, tokens - 1])])], {
      perm: [0, 2, 1],
    }); // [R, g·g, C]
    const mean = graph.node("ReduceMean", [grid], { axes: [1], keepdims: 1 });
    const positions = this.#tensor("visual.attnpool.positional_embedding");
    const sequence = graph.node("Add", [
      graph.node("Concat", [mean, grid], { axis: 1 }),
      graph.weights(positions.values, positions.shape),
    ]); // [R, tokens, C]
    const first = graph.node("Slice", [sequence, graph.integers([0]), graph.integers([1]), graph.integers([1])]);
    const split = (x: string, length: number, perm: readonly number[]) =>
      graph.node("Transpose", [graph.node("Reshape", [x, graph.integers([0, length, heads, perHead])])], { perm });
    const query = split(this.#linear(first, "q_proj"), 1, [0, 2, 1, 3]); // [R, heads, 1, perHead]
    const key = split(this.#linear(sequence, "k_proj"), tokens, [0, 2, 3, 1]); // [R, heads, perHead, tokens]
    const value = split(this.#linear(sequence, "v_proj"), tokens, [0, 2, 1, 3]); // [R, heads, tokens, perHead]
    const scores = graph.node("Mul", [graph.node("MatMul", [query, key]), graph.scalar(perHead ** -0.5)]);
    const attended = graph.node("MatMul", [graph.node("Softmax", [scores], { axis: -1 }), value]);
    return this.#linear(graph.node("Reshape", [attended, graph.integers([0, channels])]), "c_proj");
  }

  #bottleneck(input: string, name: string, strided: boolean): string {
    let x = this.convNorm(input, `${name}.conv1`, `${name}.bn1`, { relu: true });
    x = this.convNorm(x, `${name}.conv2`, `${name}.bn2`, { padding: 1, relu: true });
    if (strided) x = this.halve(x);
    x = this.convNorm(x, `${name}.conv3`, `${name}.bn3`, {});
    let residual = input;
    if (this.#stateDict.has(`${name}.downsample.0.weight`)) {
      if (strided) residual = this.halve(residual);
      residual = this.convNorm(residual, `${name}.downsample.0`, `${name}.downsample.1`, {});
    }
    return this.#graph.node("Relu", [this.#graph.node("Add", [x, residual])]);
  }

  #linear(input: string, name: string): string {
    const weight = this.#tensor(`visual.attnpool.${name}.weight`);
    const bias = this.#tensor(`visual.attnpool.${name}.bias`);
    const transposed = this.#graph.node("Transpose", [this.#graph.weights(weight.values, weight.shape)], {
      perm: [1, 0],
    });
    const product = this.#graph.node("MatMul", [input, transposed]);
    return this.#graph.node("Add", [product, this.#graph.weights(bias.values, bias.shape)]);
  }

  #tensor(name: string): { values: Float32Array; shape: readonly number[] } {
    const tensor = this.#stateDict.get(name);
    if (!tensor) throw new VillaError("Mismatch", `The weight "${name}" is missing; it cannot be exported.`);
    return { values: "dtype" in tensor ? toFloat32(tensor) : tensor.data, shape: tensor.shape };
  }
}
