import type { TensorData } from "@villa/data";
import type { ClipTextConfig } from "../text/clip-text.ts";
import type { OpenClipTextConfig } from "../text/open-clip-text.ts";
import type { Json } from "../text/settings.ts";
import type { SiglipTextConfig } from "../text/siglip-text.ts";
import type { TowerDescription } from "../tower.ts";
import { jointNames } from "../vit/config.ts";
import { activationNames, type StateDict, splitJoint, tensorOf, transposed } from "./vision.ts";

/** A text tower by Hugging Face's names. */
export interface HuggingFaceText {
  readonly kind: "clip" | "siglip";
  /** With the family whose names `weights` have. */
  readonly tower: TowerDescription;
  readonly weights: StateDict;
  /** `text_config` of a pair. */
  readonly json: Json;
}

/** Tokens of OpenAI's CLIP, whose last one ends a text. */
const clipTokens = 49_408;

/** A text tower as `transformers` has it beside an image tower; undefined for one that has no class of that kind. */
export function huggingFaceText(tower: TowerDescription, weights: StateDict): HuggingFaceText | undefined {
  switch (tower.family) {
    case "clip-text":
      return clip(tower, weights);
    case "siglip-text": {
      const config = tower.config as unknown as SiglipTextConfig;
      const own = { model_type: "siglip_text_model", projection_size: config.embedDim, pad_token_id: config.fill };
      return { kind: "siglip", tower, weights, json: { ...sizes(config), ...own } };
    }
    case "open-clip-text": {
      const config = tower.config as unknown as OpenClipTextConfig;
      const { causal, pooling, projection, embedDim, width, heads, layers, hidden, activation, epsilon } = config;
      const reads = pooling === "argmax" || pooling === "eos";
      if (!causal || !reads || (projection !== "matrix" && projection !== "linear-without-bias")) return undefined;
      const { vocabularySize, contextLength } = config;
      const endToken = pooling === "eos" ? config.endToken : undefined;
      const common = { width, heads, layers, hidden, vocabularySize, contextLength, embedDim, activation, epsilon };
      const own = { family: "clip-text", config: { ...common, endToken } };
      return clip(own, renamed(weights, config));
    }
  }
  return undefined;
}

function clip(tower: TowerDescription, weights: StateDict): HuggingFaceText {
  const config = tower.config as unknown as ClipTextConfig;
  const { vocabularySize, endToken, embedDim } = config;
  // transformers takes 2 for "the largest id", which is where OpenAI's code reads.
  const end = endToken ?? (vocabularySize === clipTokens ? clipTokens - 1 : 2);
  const json = { ...sizes(config), model_type: "clip_text_model", projection_dim: embedDim, eos_token_id: end };
  return { kind: "clip", tower, weights, json };
}

function sizes(config: ClipTextConfig): Json {
  return {
    hidden_size: config.width,
    intermediate_size: config.hidden,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    hidden_act: activationNames[config.activation],
    layer_norm_eps: config.epsilon,
    max_position_embeddings: config.contextLength,
    vocab_size: config.vocabularySize,
  };
}

/** OpenAI's names to those of `CLIPModel`. */
function renamed(weights: StateDict, { layers, projection }: OpenClipTextConfig): StateDict {
  const result = new Map<string, TensorData>();
  const move = (name: string, target: string) => result.set(target, tensorOf(weights, name));
  const moveLayer = (name: string, target: string) => {
    for (const part of ["weight", "bias"]) move(`${name}.${part}`, `${target}.${part}`);
  };
  move("token_embedding.weight", "text_model.embeddings.token_embedding.weight");
  move("positional_embedding", "text_model.embeddings.position_embedding.weight");
  moveLayer("ln_final", "text_model.final_layer_norm");
  if (projection === "matrix") {
    result.set("text_projection.weight", transposed(tensorOf(weights, "text_projection")));
  } else {
    move("text_projection.weight", "text_projection.weight");
  }
  for (let layer = 0; layer < layers; layer++) {
    const name = `transformer.resblocks.${layer}`;
    const target = `text_model.encoder.layers.${layer}`;
    moveLayer(`${name}.ln_1`, `${target}.layer_norm1`);
    moveLayer(`${name}.ln_2`, `${target}.layer_norm2`);
    moveLayer(`${name}.attn.out_proj`, `${target}.self_attn.out_proj`);
    moveLayer(`${name}.mlp.c_fc`, `${target}.mlp.fc1`);
    moveLayer(`${name}.mlp.c_proj`, `${target}.mlp.fc2`);
    const parts = ["q", "k", "v"].map((part) => `${target}.self_attn.${part}_proj`);
    splitJoint(weights, { joint: jointNames(`${name}.attn`), names: parts, into: result });
  }
  return result;
}
