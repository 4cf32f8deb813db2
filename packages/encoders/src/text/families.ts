import { VillaError } from "@villa/data";
import type { EncoderFiles } from "../files.ts";
import { openTokenizer, type TokenizerNeeds } from "../tokenizer/open-tokenizer.ts";
import type { LoadRequest, TextFamily } from "../tower.ts";
import { type BertConfig, bert } from "./bert.ts";
import { type ClipTextConfig, clipText } from "./clip-text.ts";
import { findPrefix, loadTower, type TowerPlace } from "./load-tower.ts";
import { type OpenClipTextConfig, openClipText } from "./open-clip-text.ts";
import { bertAnchor, readBertConfig } from "./read-bert.ts";
import {
  hfTextAnchor,
  openClipAnchor,
  readClipTextConfig,
  readOpenClipTextConfig,
  readSiglipTextConfig,
} from "./read-clip.ts";
import { isOpenClip, openClipText as openClipSettings, section } from "./settings.ts";
import { type SiglipTextConfig, siglipText } from "./siglip-text.ts";
import { type TextEncoder, textEncoder } from "./text-encoder.ts";
import type { TextArchitecture } from "./token-tower.ts";

/** What a family adds to its architecture: how its files look. */
interface FamilyFiles<Config extends object> {
  readonly architecture: TextArchitecture<Config>;
  /** Words for messages. */
  readonly what: string;
  read(files: EncoderFiles): Promise<Config | undefined>;
  place(prefix: string): TowerPlace;
  readonly anchor: string;
  readonly ownBpe: TokenizerNeeds["ownBpe"];
  /** The tower with the tokenizer's id for filling, where it looks at it. */
  fillWith?(config: Config, fill: number): Config;
}

/** A family of text towers, which loads as a {@link TextEncoder}. */
export interface TextEncoderFamily extends TextFamily {
  load(request: LoadRequest): Promise<TextEncoder>;
}

/** MiniLM, SBERT, PubMedBERT as in BiomedCLIP. */
export const bertFamily = family<BertConfig>({
  architecture: bert,
  what: "a BERT text tower",
  anchor: bertAnchor,
  read: readBertConfig,
  ownBpe: "never",
  // OpenCLIP keeps its projection beside the transformer: text.transformer.…, text.proj.…
  place: (prefix) => ({
    prefix,
    nameOf: (name) => (/^proj\./.test(name) ? prefix.replace(/transformer\.$/, "") : prefix) + name,
  }),
});

/** CLIP's text tower by Hugging Face's names. */
export const clipTextFamily = family<ClipTextConfig>({
  architecture: clipText,
  what: "CLIP's text tower",
  anchor: hfTextAnchor,
  read: readClipTextConfig,
  ownBpe: "otherwise",
  place: (prefix) => ({ prefix }),
});

/** SigLIP's and SigLIP 2's text tower. */
export const siglipTextFamily = family<SiglipTextConfig>({
  architecture: siglipText,
  what: "SigLIP's text tower",
  anchor: hfTextAnchor,
  read: readSiglipTextConfig,
  ownBpe: "never",
  place: (prefix) => ({ prefix }),
  fillWith: (config, fill) => ({ ...config, fill }),
});

/** Text towers by OpenAI's names, OpenCLIP's variants included. */
export const openClipTextFamily = family<OpenClipTextConfig>({
  architecture: openClipText,
  what: "CLIP's text tower",
  anchor: openClipAnchor,
  read: readOpenClipTextConfig,
  ownBpe: "always",
  place: (prefix) => ({ prefix }),
  fillWith: (config, fill) => (config.fill === undefined ? config : { ...config, fill }),
});

function family<Config extends object>(its: FamilyFiles<Config>): TextEncoderFamily {
  const { architecture, what, anchor } = its;
  return {
    storesHalves: true,
    recognise: async (files) => (await its.read(files)) as Record<string, unknown> | undefined,
    async load({ files, config, trainable, storage }) {
      if (!files?.weights) {
        throw new VillaError("InvalidArgument", `${files?.label ?? what} holds no weights; name a model's folder.`);
      }
      const { weights } = files;
      const prefix = findPrefix(weights.tensors, anchor);
      const sizes = (config as Config | undefined) ?? (await its.read(files));
      if (prefix === undefined || !sizes) throw notFound(files, what);
      const { vocabularySize, contextLength } = architecture.sizes(sizes);
      const needs = { vocabularySize, contextLength, ownBpe: its.ownBpe, ...(await openClipTokenizing(files)) };
      const tokenizer = await openTokenizer(files, needs);
      const filled = its.fillWith?.(sizes, tokenizer.fill) ?? sizes;
      const place = its.place(prefix);
      const tower = await loadTower({ architecture, config: filled, weights, place, what, trainable, storage });
      return textEncoder(tower, tokenizer);
    },
  };
}

/** OpenCLIP's folders say whose tokenizer they use, and what is done to texts before it. */
async function openClipTokenizing(files: EncoderFiles): Promise<Partial<Pick<TokenizerNeeds, "clean" | "ownBpe">>> {
  const config = await files.json("open_clip_config.json");
  const text = isOpenClip(config) ? openClipSettings(config) : {};
  if (text.hf_tokenizer_name === undefined) return {};
  const clean = section(text, "tokenizer_kwargs").clean;
  return { ownBpe: "never", clean: clean === "canonicalize" || clean === "lower" ? clean : "whitespace" };
}

function notFound({ weights, label }: EncoderFiles, what: string): VillaError {
  const names = [...(weights?.tensors.keys() ?? [])].slice(0, 4).join(", ");
  return new VillaError("Mismatch", `${label} does not hold ${what}: its first tensors are ${names || "none"}.`);
}
