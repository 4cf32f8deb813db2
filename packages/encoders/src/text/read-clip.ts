import { VillaError } from "@villa/data";
import type { EncoderFiles, WeightSource } from "../files.ts";
import { readActivation } from "./blocks.ts";
import type { ClipTextConfig } from "./clip-text.ts";
import { countBlocks, findPrefix, shapeOf } from "./load-tower.ts";
import type { OpenClipTextConfig } from "./open-clip-text.ts";
import {
  booleanOf,
  isOpenClip,
  type Json,
  nested,
  numberOf,
  openClipModel,
  openClipText,
  section,
} from "./settings.ts";
import type { SiglipTextConfig } from "./siglip-text.ts";

/** The tensor by which Hugging Face's CLIP and SigLIP text towers are known, and the one that only SigLIP has. */
export const hfTextAnchor = "text_model.embeddings.token_embedding.weight";
const siglipHead = "text_model.head.weight";
/** The tensor by which OpenAI's and OpenCLIP's text towers are known. */
export const openClipAnchor = "ln_final.weight";

/** @returns undefined when the files are of another family */
export async function readClipTextConfig(files: EncoderFiles): Promise<ClipTextConfig | undefined> {
  const found = await hfText(files);
  if (!found || found.weights.tensors.has(found.prefix + siglipHead)) return undefined;
  const { weights, prefix, config } = found;
  const what = "CLIP's text tower";
  const [embedDim] = shapeOf(weights, `${prefix}text_projection.weight`, 2, what);
  const ends = [config.eos_token_id ?? 49_407].flat();
  return {
    ...hfSizes(weights, prefix, config, { what, width: 64, activation: "quick_gelu", epsilon: 1e-5 }),
    embedDim,
    // Older configurations say 2, a slip that transformers takes for "the largest id".
    endToken: ends[0] === 2 ? undefined : Number(ends[0]),
  };
}

/** @returns undefined when the files are of another family */
export async function readSiglipTextConfig(files: EncoderFiles): Promise<SiglipTextConfig | undefined> {
  const found = await hfText(files);
  if (!found?.weights.tensors.has(found.prefix + siglipHead)) return undefined;
  const { weights, prefix, config } = found;
  const what = "SigLIP's text tower";
  const [embedDim] = shapeOf(weights, prefix + siglipHead, 2, what);
  return {
    ...hfSizes(weights, prefix, config, { what, width: 64, activation: "gelu_tanh", epsilon: 1e-6 }),
    embedDim,
    fill: numberOf(config, "pad_token_id") ?? 1,
  };
}

async function hfText(
  files: EncoderFiles,
): Promise<{ weights: WeightSource; prefix: string; config: Json } | undefined> {
  const { weights } = files;
  const prefix = weights && findPrefix(weights.tensors, hfTextAnchor);
  if (!weights || prefix === undefined) return undefined;
  const json = (await files.json("config.json")) ?? {};
  return { weights, prefix, config: nested(json, "text_config") === undefined ? json : section(json, "text_config") };
}

function hfSizes(
  weights: WeightSource,
  prefix: string,
  config: Json,
  defaults: { what: string; width: number; activation: ClipTextConfig["activation"]; epsilon: number },
): Omit<ClipTextConfig, "embedDim" | "endToken"> {
  const { what } = defaults;
  const [vocabularySize, width] = shapeOf(weights, prefix + hfTextAnchor, 2, what) as [number, number];
  const positions = `${prefix}text_model.embeddings.position_embedding.weight`;
  return {
    width,
    heads: numberOf(config, "num_attention_heads") ?? Math.max(1, Math.round(width / defaults.width)),
    layers: countBlocks(weights.tensors, `${prefix}text_model.encoder.layers.`),
    hidden: shapeOf(weights, `${prefix}text_model.encoder.layers.0.mlp.fc1.weight`, 2, what)[0],
    vocabularySize,
    contextLength: shapeOf(weights, positions, 2, what)[0],
    activation: readActivation(config.hidden_act, defaults.activation),
    epsilon: numberOf(config, "layer_norm_eps") ?? defaults.epsilon,
  };
}

const poolings = ["argmax", "eos", "first", "last"] as const;
/** Parts of OpenCLIP's text transformer that no released CLIP or SigLIP uses. */
const unknownParts = [
  "embed_cls",
  "ls_init_value",
  "use_pad_mask",
  "tokenizer_mode",
  "qk_norm",
  "scaled_cosine_attn",
  "scale_heads",
  "scale_attn_inner",
  "scale_attn",
  "scale_fc",
];

/** Sizes of a text tower in OpenAI's naming; without `open_clip_config.json`, OpenAI's own settings. */
export async function readOpenClipTextConfig(files: EncoderFiles): Promise<OpenClipTextConfig | undefined> {
  const { weights } = files;
  const prefix = weights && findPrefix(weights.tensors, openClipAnchor);
  if (!weights || prefix === undefined || !weights.tensors.has(`${prefix}token_embedding.weight`)) return undefined;
  const json = await files.json("open_clip_config.json");
  const [model, text]: [Json, Json] = isOpenClip(json) ? [openClipModel(json), openClipText(json)] : [{}, {}];
  const unknown = unknownParts.find((part) => text[part]);
  if (unknown)
    throw new VillaError("Unsupported", `The text tower is configured with ${unknown}, which is not supported.`);
  const what = "CLIP's text tower";
  const [vocabularySize, width] = shapeOf(weights, `${prefix}token_embedding.weight`, 2, what) as [number, number];
  const pooling = poolings.find((kind) => kind === (text.pool_type ?? "argmax"));
  if (!pooling) throw new VillaError("Unsupported", `The text tower pools by "${String(text.pool_type)}".`);
  const causal = !booleanOf(text, "no_causal_mask");
  return {
    width,
    // OpenCLIP's default is 8; OpenAI's weights come without configuration and have one for each 64 channels.
    heads: numberOf(text, "heads") ?? (isOpenClip(json) ? 8 : Math.max(1, Math.floor(width / 64))),
    layers: countBlocks(weights.tensors, `${prefix}transformer.resblocks.`),
    hidden: shapeOf(weights, `${prefix}transformer.resblocks.0.mlp.c_fc.weight`, 2, what)[0],
    vocabularySize,
    contextLength: shapeOf(weights, `${prefix}positional_embedding`, 2, what)[0],
    activation: openClipActivation(isOpenClip(json) ? model : undefined, text),
    epsilon: numberOf(section(text, "norm_kwargs"), "eps") ?? 1e-5,
    causal,
    pooling,
    endToken: numberOf(text, "eos_id") ?? 2,
    fill: pooling === "last" || !causal ? (numberOf(text, "pad_id") ?? 0) : undefined,
    ...projectionOf(weights, prefix, width),
  };
}

/** OpenAI's weights come without configuration and use QuickGELU; OpenCLIP's default is GELU. */
function openClipActivation(model: Json | undefined, text: Json): OpenClipTextConfig["activation"] {
  if (!model || booleanOf(model, "quick_gelu")) return "quick_gelu";
  return section(text, "act_kwargs").approximate === "tanh" ? "gelu_tanh" : "gelu";
}

function projectionOf(
  weights: WeightSource,
  prefix: string,
  width: number,
): Pick<OpenClipTextConfig, "embedDim" | "projection"> {
  const matrix = weights.tensors.get(`${prefix}text_projection`)?.shape;
  if (matrix) return { embedDim: matrix[1]!, projection: "matrix" };
  const layer = weights.tensors.get(`${prefix}text_projection.weight`)?.shape;
  if (!layer) return { embedDim: width, projection: "none" };
  const hasBias = weights.tensors.has(`${prefix}text_projection.bias`);
  return { embedDim: layer[0]!, projection: hasBias ? "linear" : "linear-without-bias" };
}
