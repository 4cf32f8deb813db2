import { checkArgument, VillaError } from "@villa/data";
import { plainPixels } from "../regions/picture-input.ts";
import { type BlockNames, jointNames, namings, type VitConfig, type VitNames, vitRule } from "../vit/config.ts";
import {
  type AttentionNames,
  type GraphWeights,
  jointAttention,
  linearNames,
  type OnnxExportOptions,
  startGraph,
  type TransformerLayers,
} from "./transformer-layers.ts";

/**
 * A vision transformer as an ONNX file with the names that transformers.js's models have.
 *
 * Input: `pixel_values` float32 [images, 3, side, side], normalised as the family does it. Outputs, all float32:
 *
 * - CLIP: `image_embeds` [images, embedDim] and `last_hidden_state` [images, tokens, width], before the projection
 * - SigLIP, DINOv2: `pooler_output` [images, width] and `last_hidden_state` [images, tokens, width]
 * - CLIP and SigLIP: `patch_embeds` [images, patches, embedDim], the map that regions are cut from, in the space of the
 *   whole picture's vector
 *
 * @param weights by the checkpoint's names, in torch's layout
 * @throws VillaError `Mismatch` for a missing weight, `Unsupported` for a model of 2 GB or more
 */
export function exportVisionModel(
  weights: GraphWeights,
  config: VitConfig,
  options: OnnxExportOptions = {},
): Uint8Array {
  checkArgument("config", config, vitRule);
  const { graph, layers } = startGraph(weights, options);
  const { embedDim, width } = config;
  const { pooled, hidden, patches } = addVision(layers, config);
  const names: VitNames = namings[config.naming];
  graph.realOutput(pooled, names.projection ? "image_embeds" : "pooler_output", ["images", embedDim]);
  graph.realOutput(hidden, "last_hidden_state", ["images", "tokens", width]);
  if (patches !== undefined) graph.realOutput(patches, "patch_embeds", ["images", "patches", embedDim]);
  return graph.finish("villa-vision-model");
}

/** What {@link addVision} adds. */
export interface VisionOutputs {
  /** [batch, embedDim] */
  readonly pooled: string;
  /** [batch, tokens, width] */
  readonly hidden: string;
  /** [batch, patches, embedDim]; undefined where the hidden state holds it. */
  readonly patches: string | undefined;
}

/** Adds a vision transformer to a graph, with its input `pixel_values`. */
export function addVision(layers: TransformerLayers, config: VitConfig): VisionOutputs {
  const { graph } = layers;
  const { imageSize, naming, epsilon } = config;
  const names: VitNames = namings[naming];
  const pixels = graph.input("pixel_values", "float32", ["images", 3, imageSize, imageSize]);
  const beforeLast = addBlocks(layers, config, graph.toReal(pixels));
  const hidden = block(layers, config, beforeLast, config.layers - 1);
  if (names.pool) {
    const normed = layers.norm(hidden, names.normAfter, epsilon);
    return {
      pooled: pool(layers, config, normed, names.pool),
      hidden: normed,
      patches: poolAlone(layers, config, normed, names.pool),
    };
  }
  if (!names.projection) {
    const normed = layers.norm(hidden, names.normAfter, epsilon);
    return { pooled: layers.tokenAt(normed, 0), hidden: normed, patches: undefined };
  }
  const first = layers.norm(layers.tokenAt(hidden, 0), names.normAfter, epsilon);
  return { pooled: project(layers, names, first), hidden, patches: denseMap(layers, config, beforeLast) };
}

/**
 * A trained vision transformer as an ONNX file that embeds regions, so that any ONNX runtime serves it.
 *
 * Inputs: `images` float32 [batch, 3, side, side] in 0 … 1, scaled to the tower's square; `boxes` float32 [regions, 4] as
 * x0, y0, x1, y1 in pixels of that square; `image_index` int64 [regions], the image each box belongs to. Output:
 * `embeddings` float32 [regions, embedDim], L2-normalised.
 *
 * @param weights by the checkpoint's names, in torch's layout
 * @throws VillaError `Mismatch` for a missing weight, `Unsupported` for a model of 2 GB or more
 */
export function exportVisionRegionEncoder(
  weights: GraphWeights,
  config: VitConfig,
  options: OnnxExportOptions = {},
): Uint8Array {
  checkArgument("config", config, vitRule);
  const { graph, layers } = startGraph(weights, options);
  const { imageSize, patchSize, embedDim, input } = config;
  const images = graph.input("images", "float32", ["batch", 3, imageSize, imageSize]);
  const boxes = graph.input("boxes", "float32", ["regions", 4]);
  const imageIndex = graph.input("image_index", "int64", ["regions"]);
  const { mean, deviation } = input?.regions ?? plainPixels;
  const perColour = (values: readonly number[]) => graph.weights(Float32Array.from(values), [1, 3, 1, 1]);
  const centred = graph.node("Sub", [graph.toReal(images), perColour(mean)]);
  const map = regionMap(layers, config, graph.node("Div", [centred, perColour(deviation)]));
  const side = Math.floor(imageSize / patchSize);
  const grid = graph.node("Reshape", [
    graph.node("Transpose", [map], { perm: [0, 2, 1] }),
    graph.integers([0, embedDim, side, side]),
  ]); // [B, patches, D] -> [B, D, rows, columns]
  const aligned = graph.node("RoiAlign", [grid, graph.toReal(boxes), imageIndex], {
    output_height: 1,
    output_width: 1,
    sampling_ratio: 0,
    spatial_scale: { float: side / imageSize },
    mode: "avg",
    coordinate_transformation_mode: "half_pixel",
  });
  const rows = graph.node("Reshape", [aligned, graph.integers([0, embedDim])]);
  graph.realOutput(layers.normalized(rows), "embeddings", ["regions", embedDim]);
  return graph.finish("villa-region-encoder");
}

/** The map that the tower's `features` gives: [batch, patches, embedDim]. */
function regionMap(layers: TransformerLayers, config: VitConfig, pixels: string): string {
  const names: VitNames = namings[config.naming];
  const byValue = (config.dense ?? "value") === "value";
  const beforeLast = addBlocks(layers, config, pixels);
  if (names.projection && byValue) return denseMap(layers, config, beforeLast);
  const hidden = patchesOf(layers, config, block(layers, config, beforeLast, config.layers - 1));
  const normed = layers.norm(hidden, names.normAfter, config.epsilon);
  if (names.pool && byValue) return poolAlone(layers, config, normed, names.pool);
  return project(layers, names, normed);
}

/** Patches, class token, registers, positions, and all blocks but the last. [batch, tokens, width] */
function addBlocks(layers: TransformerLayers, config: VitConfig, pixels: string): string {
  const { graph } = layers;
  const { patchSize, width, registers = 0, epsilon } = config;
  const {
    patch,
    patchBias,
    positions,
    classToken,
    registers: registerName,
    normBefore,
  }: VitNames = namings[config.naming];
  const filter = [layers.constant(`${patch}.weight`), ...(patchBias ? [layers.constant(`${patch}.bias`)] : [])];
  const map = graph.node("Conv", [pixels, ...filter], {
    kernel_shape: [patchSize, patchSize],
    strides: [patchSize, patchSize],
  }); // [B, W, rows, columns]
  const flat = graph.node("Reshape", [map, graph.integers([0, width, -1])]);
  const patches = graph.node("Transpose", [flat], { perm: [0, 2, 1] }); // [B, patches, W]
  const table = layers.tensor(positions.name).values;
  const special = classToken ? width : 0;
  const placed = graph.node("Add", [
    patches,
    graph.weights(table.subarray(special), [1, (table.length - special) / width, width]),
  ]);
  const batch = layers.sides(pixels, 0, 1);
  const every = (values: Float32Array) => {
    const count = values.length / width;
    const shape = graph.node("Concat", [batch, graph.integers([count, width])], { axis: 0 });
    return graph.node("Expand", [graph.weights(values, [1, count, width]), shape]);
  };
  const before: string[] = [];
  if (classToken) before.push(every(layers.tensor(classToken.name).values.map((value, i) => value + table[i]!)));
  if (registers > 0) before.push(every(layers.tensor(registerName!).values));
  let x = before.length > 0 ? graph.node("Concat", [...before, placed], { axis: 1 }) : placed;
  if (normBefore) x = layers.norm(x, normBefore, epsilon);
  for (let layer = 0; layer < config.layers - 1; layer++) x = block(layers, config, x, layer);
  return x;
}

function block(layers: TransformerLayers, config: VitConfig, x: string, layer: number): string {
  const names = namesOf(config, layer);
  const normed = layers.norm(x, names.norm1, config.epsilon);
  return afterAttention(
    layers,
    config,
    names,
    x,
    layers.attention([normed, normed], attentionNames(config, names), config),
  );
}

/** CLIP's patches past the last block's value path, in which every token keeps what it holds. [batch, patches, embedDim] */
function denseMap(layers: TransformerLayers, config: VitConfig, beforeLast: string): string {
  const names = namesOf(config, config.layers - 1);
  const { normAfter }: VitNames = namings[config.naming];
  const x = patchesOf(layers, config, beforeLast);
  const { value, out } = attentionNames(config, names);
  const own = layers.product(layers.product(layers.norm(x, names.norm1, config.epsilon), value), out);
  const last = afterAttention(layers, config, names, x, own);
  return project(layers, namings[config.naming], layers.norm(last, normAfter, config.epsilon));
}

function afterAttention(
  layers: TransformerLayers,
  config: VitConfig,
  names: BlockNames,
  x: string,
  mixed: string,
): string {
  const { graph } = layers;
  const scaled = (branch: string, scale: string | undefined) =>
    scale === undefined ? branch : graph.node("Mul", [branch, layers.constant(scale)]);
  const attended = graph.node("Add", [x, scaled(mixed, names.scales?.[0])]);
  const normed = layers.norm(attended, names.norm2, config.epsilon);
  const deep = layers.perceptron(normed, [names.fc1, names.fc2], config.activation);
  return graph.node("Add", [attended, scaled(deep, names.scales?.[1])]);
}

/** SigLIP's attention pool: one learned query over all tokens. [batch, width] */
function pool(layers: TransformerLayers, config: VitConfig, x: string, name: string): string {
  const { graph } = layers;
  const { width } = config;
  const shape = graph.node("Concat", [layers.sides(x, 0, 1), graph.integers([1, width])], { axis: 0 });
  const probe = graph.node("Expand", [layers.constant(`${name}.probe`), shape]);
  const mixed = layers.attention([probe, x], poolAttention(name, width), config);
  return layers.tokenAt(poolOutput(layers, config, mixed, name), 0);
}

/** The pool over each token alone. [batch, tokens, width] */
function poolAlone(layers: TransformerLayers, config: VitConfig, x: string, name: string): string {
  const { value, out } = poolAttention(name, config.width);
  return poolOutput(layers, config, layers.product(layers.product(x, value), out), name);
}

function poolOutput(layers: TransformerLayers, { epsilon, activation }: VitConfig, x: string, name: string): string {
  const normed = layers.norm(x, `${name}.layernorm`, epsilon);
  const deep = layers.perceptron(normed, [`${name}.mlp.fc1`, `${name}.mlp.fc2`], activation);
  return layers.graph.node("Add", [x, deep]);
}

function poolAttention(name: string, width: number): AttentionNames {
  const own = `${name}.attention`;
  return { ...jointAttention(jointNames(own), width), out: linearNames(`${own}.out_proj`) };
}

function project(layers: TransformerLayers, { projection }: VitNames, x: string): string {
  return projection ? layers.product(x, { weight: projection.name, transposed: projection.transposed }) : x;
}

/** Tokens without those before the patches. */
function patchesOf({ graph }: TransformerLayers, { naming, registers = 0 }: VitConfig, x: string): string {
  const { classToken }: VitNames = namings[naming];
  const special = (classToken ? 1 : 0) + registers;
  if (special === 0) return x;
  const bounds = [graph.integers([special]), graph.integers([2 ** 31 - 1]), graph.integers([1])];
  return graph.node("Slice", [x, ...bounds]);
}

function namesOf({ naming, layers }: VitConfig, layer: number): BlockNames {
  if (layers < 1) throw new VillaError("Unsupported", "A vision transformer without blocks cannot be exported.");
  return (namings[naming] as VitNames).block(layer);
}

function attentionNames({ width }: VitConfig, { attention, out }: BlockNames): AttentionNames {
  if (typeof attention === "string") {
    return { ...jointAttention(jointNames(attention), width), out: linearNames(out) };
  }
  const [query, key, value] = attention;
  return { query: linearNames(query), key: linearNames(key), value: linearNames(value), out: linearNames(out) };
}
