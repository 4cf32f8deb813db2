import { VillaError } from "@villa/data";
import type { EncoderFiles } from "../files.ts";
import { repairCharacters, unescapeHtml } from "./clean-text.ts";
import { jsonTokenizer } from "./json-tokenizer.ts";
import { checkTokenizer, type TextTokenizer, type TokenSizes } from "./text-tokenizer.ts";
import { ClipTokenizer } from "./tokenizer.ts";

/** What a text tower's family knows of its tokenizer. */
export interface TokenizerNeeds extends TokenSizes {
  /**
   * Whether the tower may have been trained with OpenAI's BPE, which is part of this package: `always`, whatever else
   * lies in the folder; `otherwise`, where there is no tokenizer.json; or `never`.
   */
  readonly ownBpe: "always" | "otherwise" | "never";
  /** OpenCLIP's cleaning, which its library does outside of the tokenizer. */
  readonly clean?: "whitespace" | "canonicalize" | "lower" | undefined;
  readonly fill?: number | undefined;
}

/** Tokens of OpenAI's CLIP. */
const clipTokens = 49_408;

/**
 * The tokenizer of a model's folder: its `tokenizer.json`, or CLIP's own where that is what the tower wants.
 *
 * @throws VillaError `NotFound` when there is none, `Mismatch` when it does not fit the tower, `Unsupported`
 */
export async function openTokenizer(files: EncoderFiles, needs: TokenizerNeeds): Promise<TextTokenizer> {
  const { ownBpe, vocabularySize } = needs;
  const fits = ownBpe !== "never" && vocabularySize === clipTokens;
  const tokenizer = fits && ownBpe === "always" ? undefined : await files.json("tokenizer.json");
  if (!tokenizer && !fits) {
    throw new VillaError(
      "NotFound",
      `${files.label} has no tokenizer.json, which its text tower needs; put the model's own beside the weights.`,
    );
  }
  const config = await files.json("tokenizer_config.json");
  const { contextLength, fill } = needs;
  const opened = tokenizer
    ? jsonTokenizer({ tokenizer, config }, { contextLength, fill, clean: cleaning(needs.clean, config) })
    : new ClipTokenizer({ contextLength });
  checkTokenizer(opened, { tower: needs, label: files.label });
  return opened;
}

function cleaning(
  clean: TokenizerNeeds["clean"],
  config: Readonly<Record<string, unknown>> | undefined,
): ((text: string) => string) | undefined {
  if (clean === "whitespace") return withoutEntities;
  if (clean === "lower") return (text) => withoutEntities(text).toLowerCase();
  if (clean === "canonicalize") return canonical;
  // The class lower-cases in code; the tokenizer.json it comes with does not.
  return config?.tokenizer_class === "Siglip2Tokenizer" ? (text) => text.toLowerCase() : undefined;
}

/** OpenCLIP's `_clean_whitespace`. */
function withoutEntities(text: string): string {
  return oneSpace(unescapeHtml(unescapeHtml(repairCharacters(text))));
}

/** OpenCLIP's `_clean_canonicalize`, as SigLIP was trained: ASCII punctuation goes, letters become small. */
function canonical(text: string): string {
  const words = unescapeHtml(unescapeHtml(repairCharacters(text))).replaceAll("_", " ");
  return oneSpace(words.replace(/[!-/:-@[-`{-~]/g, "").toLowerCase());
}

function oneSpace(text: string): string {
  return text.replace(/\p{White_Space}+/gu, " ").trim();
}
