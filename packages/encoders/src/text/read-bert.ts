import { VillaError } from "@villa/data";
import type { EncoderFiles } from "../files.ts";
import type { BertConfig, BertPooling } from "./bert.ts";
import { readActivation } from "./blocks.ts";
import { countBlocks, findPrefix, shapeOf } from "./load-tower.ts";
import { booleanOf, isOpenClip, type Json, nested, numberOf, openClipText } from "./settings.ts";

/** The tensor by which BERT is known. */
export const bertAnchor = "embeddings.word_embeddings.weight";
const what = "a BERT text tower";

/**
 * Sizes of a BERT in a Hugging Face, sentence-transformers or OpenCLIP folder: read off the tensors, and what those do
 * not show off the JSON files.
 *
 * @returns undefined when the files are of another family
 */
export async function readBertConfig(files: EncoderFiles): Promise<BertConfig | undefined> {
  const { weights } = files;
  const prefix = weights && findPrefix(weights.tensors, bertAnchor);
  if (!weights || prefix === undefined) return undefined;
  const [json, openClip] = await Promise.all([files.json("config.json"), files.json("open_clip_config.json")]);
  const type = openClip ? undefined : json?.model_type;
  if (type !== undefined && type !== "bert") return undefined;
  const segments = weights.tensors.get(`${prefix}embeddings.token_type_embeddings.weight`)?.shape[0];
  if (segments !== 2) return undefined; // RoBERTa has one segment and counts positions from 2
  const [vocabularySize, width] = shapeOf(weights, prefix + bertAnchor, 2, what) as [number, number];
  const [positions] = shapeOf(weights, `${prefix}embeddings.position_embeddings.weight`, 2, what);
  const [hidden] = shapeOf(weights, `${prefix}encoder.layer.0.intermediate.dense.weight`, 2, what);
  const own: Json = isOpenClip(openClip) ? {} : (json ?? {});
  return {
    width,
    heads: numberOf(own, "num_attention_heads") ?? Math.max(1, Math.round(width / 64)),
    layers: countBlocks(weights.tensors, `${prefix}encoder.layer.`),
    hidden,
    vocabularySize,
    positions,
    segments,
    activation: readActivation(own.hidden_act, "gelu"),
    epsilon: numberOf(own, "layer_norm_eps") ?? 1e-12,
    ...(isOpenClip(openClip) ? openClipHead(files, openClip, positions) : await sentenceHead(files, positions)),
  };
}

type Head = Pick<BertConfig, "contextLength" | "pooling" | "normalized" | "projection">;

const openClipPoolers: Readonly<Record<string, BertPooling>> = {
  mean_pooler: "mean",
  max_pooler: "max",
  cls_pooler: "pooler",
  cls_last_hidden_state_pooler: "cls",
};

function openClipHead({ weights }: EncoderFiles, config: Json, positions: number): Head {
  const text = openClipText(config);
  const pooler = String(text.pooler_type ?? text.hf_pooler_type ?? "mean_pooler");
  const pooling = openClipPoolers[pooler];
  if (!pooling) throw new VillaError("Unsupported", `The text tower's pooler "${pooler}" is not supported.`);
  const root = `${findPrefix(weights!.tensors, bertAnchor)!.replace(/transformer\.$/, "")}proj`;
  const layers = [`${root}.weight`, `${root}.0.weight`, `${root}.2.weight`];
  const projection = layers.flatMap((name) => weights!.tensors.get(name)?.shape[0] ?? []);
  return {
    contextLength: Math.min(positions, numberOf(text, "context_length") ?? 77),
    pooling,
    normalized: false,
    projection,
  };
}

/** What follows BERT in a sentence-transformers folder; without its files, the mean of the tokens. */
export async function sentenceHead(files: EncoderFiles, positions: number): Promise<Head> {
  const [pooling, sentence, tokens] = await Promise.all([
    files.json("1_Pooling/config.json"),
    files.json("sentence_bert_config.json"),
    files.json("tokenizer_config.json"),
  ]);
  const modules = await sentenceModules(files);
  const longest = numberOf(sentence, "max_seq_length") ?? numberOf(tokens, "model_max_length") ?? positions;
  return {
    contextLength: Math.min(positions, longest),
    pooling: pooling ? readPooling(pooling) : "mean",
    normalized: modules.includes("Normalize"),
    projection: [],
  };
}

/** Kinds of the modules that a sentence-transformers folder chains. */
async function sentenceModules(files: EncoderFiles): Promise<string[]> {
  const listed = (await files.json("modules.json")) as unknown;
  if (!Array.isArray(listed)) return [];
  const kinds = listed.map((module) => String(nested(module, "type")).split(".").at(-1)!);
  const unknown = kinds.find((kind) => !["Transformer", "Pooling", "Normalize"].includes(kind));
  if (unknown === undefined) return kinds;
  throw new VillaError(
    "Unsupported",
    `${files.label} chains a sentence-transformers module "${unknown}"; supported are Transformer, Pooling and Normalize.`,
  );
}

const sentencePoolings: Readonly<Record<string, BertPooling>> = {
  cls: "cls",
  max: "max",
  mean: "mean",
  mean_sqrt_len_tokens: "mean_sqrt_len",
};

/** Flags as older versions write them, or one word as newer ones do. */
function readPooling(config: Json): BertPooling {
  const flags = {
    cls: booleanOf(config, "pooling_mode_cls_token"),
    max: booleanOf(config, "pooling_mode_max_tokens"),
    mean: booleanOf(config, "pooling_mode_mean_tokens"),
    mean_sqrt_len_tokens: booleanOf(config, "pooling_mode_mean_sqrt_len_tokens"),
    lasttoken: booleanOf(config, "pooling_mode_lasttoken"),
    weightedmean: booleanOf(config, "pooling_mode_weightedmean_tokens"),
  };
  const flagged = Object.entries(flags).flatMap(([mode, isOn]) => (isOn ? [mode] : []));
  const modes = typeof config.pooling_mode === "string" ? [config.pooling_mode] : flagged;
  const pooling = modes.length === 1 ? sentencePoolings[modes[0]!] : undefined;
  if (pooling) return pooling;
  throw new VillaError(
    "Unsupported",
    `The sentence encoder pools by ${modes.join(" and ") || "nothing known"}; supported is one of ${Object.keys(sentencePoolings).join(", ")}.`,
  );
}
