import { checkArgument, VillaError } from "@villa/data";
import type { BertConfig } from "../text/bert.ts";
import type { ClipTextConfig } from "../text/clip-text.ts";
import type { OpenClipTextConfig } from "../text/open-clip-text.ts";
import type { SiglipTextConfig } from "../text/siglip-text.ts";
import type { TowerDescription } from "../tower.ts";
import { jointNames } from "../vit/config.ts";
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
 * A text tower as an ONNX file with the names that transformers.js's models have.
 *
 * Inputs, int64 [texts, tokens]: `input_ids`; BERT also `attention_mask` and `token_type_ids`. Outputs, all float32:
 *
 * - CLIP: `text_embeds` [texts, embedDim] and `last_hidden_state` [texts, tokens, width]
 * - SigLIP: `pooler_output` [texts, embedDim] and `last_hidden_state`; rows must be filled up to the context length
 * - BERT: `last_hidden_state` and `sentence_embedding` [texts, embedDim], pooled and projected as the tower does it
 *
 * @param weights by the tower's own names, as its `stateDict` gives them
 * @throws VillaError `Unsupported` for another family, or a model of 2 GB or more; `Mismatch` for a missing weight
 */
export function exportTextModel(
  weights: GraphWeights,
  tower: TowerDescription,
  options: OnnxExportOptions = {},
): Uint8Array {
  checkArgument("tower", tower, { family: "text", config: "object" });
  const { graph, layers } = startGraph(weights, options);
  const { pooled, hidden, pooledName, width, embedDim } = addText(layers, tower);
  graph.realOutput(pooled, pooledName, ["texts", embedDim]);
  graph.realOutput(hidden, "last_hidden_state", ["texts", "tokens", width]);
  return graph.finish("villa-text-model");
}

/** What {@link addText} adds. */
export interface TextOutputs {
  /** [texts, embedDim] */
  readonly pooled: string;
  /** [texts, tokens, width] */
  readonly hidden: string;
  /** What the family's models call the pooled output. */
  readonly pooledName: "text_embeds" | "pooler_output" | "sentence_embedding";
  readonly width: number;
  readonly embedDim: number;
}

/** Adds a text tower to a graph, with its inputs. @throws VillaError `Unsupported` for another family */
export function addText(layers: TransformerLayers, { family, config }: TowerDescription): TextOutputs {
  switch (family) {
    case "clip-text":
      return addHfText(layers, config as unknown as ClipTextConfig, true);
    case "siglip-text":
      return addHfText(layers, config as unknown as SiglipTextConfig, false);
    case "open-clip-text":
      return addOpenClipText(layers, config as unknown as OpenClipTextConfig);
    case "bert":
      return addBert(layers, config as unknown as BertConfig);
  }
  throw new VillaError(
    "Unsupported",
    `A text tower of the family "${family}" cannot be exported to ONNX; those of CLIP, SigLIP and BERT can.`,
  );
}

interface Block {
  readonly norm1: string;
  readonly norm2: string;
  readonly attention: AttentionNames;
  readonly perceptron: readonly [string, string];
}

type Sizes = Pick<ClipTextConfig, "width" | "heads" | "layers" | "activation" | "epsilon" | "contextLength">;

/** Pre-norm blocks, as CLIP and SigLIP have them, up to the last norm. [batch, tokens, width] */
function addBlocks(
  layers: TransformerLayers,
  sizes: Sizes,
  names: { tokens: string; positions: string; causal: boolean; last: string; block(layer: number): Block },
): { ids: string; hidden: string } {
  const { graph } = layers;
  const ids = graph.input("input_ids", "int64", ["texts", "tokens"]);
  const length = layers.sides(ids, 1, 1);
  const mask = names.causal ? layers.causalMask(length, sizes.contextLength) : undefined;
  let x = graph.node("Add", [layers.embedding(ids, names.tokens), layers.positions(names.positions, length)]);
  for (let layer = 0; layer < sizes.layers; layer++) {
    const { norm1, norm2, attention, perceptron } = names.block(layer);
    const normed = layers.norm(x, norm1, sizes.epsilon);
    const attended = graph.node("Add", [x, layers.attention([normed, normed], attention, { ...sizes, mask })]);
    const deep = layers.perceptron(layers.norm(attended, norm2, sizes.epsilon), perceptron, sizes.activation);
    x = graph.node("Add", [attended, deep]);
  }
  return { ids, hidden: layers.norm(x, names.last, sizes.epsilon) };
}

/** CLIP and SigLIP by Hugging Face's names. */
function addHfText(layers: TransformerLayers, config: ClipTextConfig, isClip: boolean): TextOutputs {
  const { width, embedDim } = config;
  const { ids, hidden } = addBlocks(layers, config, {
    tokens: "text_model.embeddings.token_embedding.weight",
    positions: "text_model.embeddings.position_embedding.weight",
    causal: isClip,
    last: "text_model.final_layer_norm",
    block(layer) {
      const name = `text_model.encoder.layers.${layer}`;
      const [query, key, value, out] = ["q", "k", "v", "out"].map((part) =>
        linearNames(`${name}.self_attn.${part}_proj`),
      );
      return {
        norm1: `${name}.layer_norm1`,
        norm2: `${name}.layer_norm2`,
        attention: { query: query!, key: key!, value: value!, out: out! },
        perceptron: [`${name}.mlp.fc1`, `${name}.mlp.fc2`],
      };
    },
  });
  const pooled = isClip
    ? layers.product(atEnd(layers, ids, hidden, config.endToken), { weight: "text_projection.weight" })
    : layers.linear(layers.tokenAt(hidden, -1), "text_model.head");
  return { pooled, hidden, pooledName: isClip ? "text_embeds" : "pooler_output", width, embedDim };
}

/** CLIP by OpenAI's names, with OpenCLIP's variants. */
function addOpenClipText(layers: TransformerLayers, config: OpenClipTextConfig): TextOutputs {
  const { width, embedDim, pooling, endToken, projection } = config;
  const { ids, hidden } = addBlocks(layers, config, {
    tokens: "token_embedding.weight",
    positions: "positional_embedding",
    causal: config.causal,
    last: "ln_final",
    block(layer) {
      const name = `transformer.resblocks.${layer}`;
      const joint = jointAttention(jointNames(`${name}.attn`), width);
      return {
        norm1: `${name}.ln_1`,
        norm2: `${name}.ln_2`,
        attention: { ...joint, out: linearNames(`${name}.attn.out_proj`) },
        perceptron: [`${name}.mlp.c_fc`, `${name}.mlp.c_proj`],
      };
    },
  });
  const read =
    pooling === "first" || pooling === "last"
      ? layers.tokenAt(hidden, pooling === "first" ? 0 : -1)
      : atEnd(layers, ids, hidden, pooling === "eos" ? endToken : undefined);
  const weights = {
    matrix: { weight: "text_projection", transposed: true },
    linear: linearNames("text_projection"),
    "linear-without-bias": { weight: "text_projection.weight" },
  };
  const pooled = projection === "none" ? read : layers.product(read, weights[projection]);
  return { pooled, hidden, pooledName: "text_embeds", width, embedDim };
}

/** Each sequence's vector at its end token, or at its largest id. [batch, width] */
function atEnd(layers: TransformerLayers, ids: string, hidden: string, endToken: number | undefined): string {
  const { graph } = layers;
  const marks = endToken === undefined ? ids : graph.node("Equal", [ids, graph.integers([endToken], [])]);
  const small = graph.node("Cast", [marks], { to: 6 }); // int32
  const ends = graph.node("ArgMax", [small], { axis: 1, keepdims: 1 }); // [batch, 1], the first of equals
  return graph.node("GatherND", [hidden, ends], { batch_dims: 1 });
}

function addBert(layers: TransformerLayers, config: BertConfig): TextOutputs {
  const { graph } = layers;
  const { epsilon, activation, width } = config;
  const [ids, present, segments] = ["input_ids", "attention_mask", "token_type_ids"].map((name) =>
    graph.input(name, "int64", ["texts", "tokens"]),
  ) as [string, string, string];
  const mask = graph.toReal(present); // [batch, tokens]
  const hides = graph.node("Unsqueeze", [layers.hidden(mask), graph.integers([1, 2])]); // [batch, 1, 1, tokens]
  const tokens = layers.embedding(ids, "embeddings.word_embeddings.weight");
  const typed = graph.node("Add", [tokens, layers.embedding(segments, "embeddings.token_type_embeddings.weight")]);
  const places = layers.positions("embeddings.position_embeddings.weight", layers.sides(ids, 1, 1));
  let x = layers.norm(graph.node("Add", [typed, places]), "embeddings.LayerNorm", epsilon);
  for (let layer = 0; layer < config.layers; layer++) {
    const name = `encoder.layer.${layer}`;
    const [query, key, value] = ["query", "key", "value"].map((part) => linearNames(`${name}.attention.self.${part}`));
    const names = { query: query!, key: key!, value: value!, out: linearNames(`${name}.attention.output.dense`) };
    const attended = graph.node("Add", [x, layers.attention([x, x], names, { ...config, mask: hides })]);
    const normed = layers.norm(attended, `${name}.attention.output.LayerNorm`, epsilon);
    const deep = layers.perceptron(normed, [`${name}.intermediate.dense`, `${name}.output.dense`], activation);
    x = layers.norm(graph.node("Add", [normed, deep]), `${name}.output.LayerNorm`, epsilon);
  }
  const projected = projectBert(layers, config, poolTokens(layers, config, x, mask));
  const pooled = config.normalized ? layers.normalized(projected) : projected;
  return { pooled, hidden: x, pooledName: "sentence_embedding", width, embedDim: config.projection.at(-1) ?? width };
}

/** The vectors of a sequence's tokens as one. [batch, width] */
function poolTokens(layers: TransformerLayers, { pooling }: BertConfig, x: string, mask: string): string {
  const { graph } = layers;
  if (pooling === "cls") return layers.tokenAt(x, 0);
  if (pooling === "pooler") return graph.node("Tanh", [layers.linear(layers.tokenAt(x, 0), "pooler.dense")]);
  if (pooling === "max") {
    const hides = graph.node("Unsqueeze", [layers.hidden(mask), graph.integers([2])]);
    return graph.node("ReduceMax", [graph.node("Add", [x, hides])], { axes: [1], keepdims: 0 });
  }
  const count = graph.node("ReduceSum", [mask, graph.integers([1])], { keepdims: 1 }); // [batch, 1]
  const share = graph.node("Div", [mask, pooling === "mean" ? count : graph.node("Sqrt", [count])]);
  const rows = graph.node("MatMul", [graph.node("Unsqueeze", [share, graph.integers([1])]), x]); // [batch, 1, width]
  return layers.tokenAt(rows, 0);
}

function projectBert(layers: TransformerLayers, { projection }: BertConfig, x: string): string {
  if (projection.length === 0) return x;
  if (projection.length === 1) return layers.product(x, { weight: "proj.weight" });
  return layers.product(layers.gelu(layers.product(x, { weight: "proj.0.weight" }), "gelu"), {
    weight: "proj.2.weight",
  });
}
