import { Tokenizer } from "@huggingface/tokenizers";
import { checkArgument, VillaError } from "@villa/data";
import type { TextTokenizer } from "./text-tokenizer.ts";

type Json = Readonly<Record<string, unknown>>;

/** How {@link jsonTokenizer} prepares and cuts texts. */
export interface JsonTokenizerOptions {
  /** Longest sequence in tokens, start and end included. */
  readonly contextLength: number;
  /** Done to a text first, where the model's library does it outside of its tokenizer. */
  readonly clean?: ((text: string) => string) | undefined;
  /** The id that rows are filled up with; default what the files say, else 0. */
  readonly fill?: number | undefined;
}

/**
 * A tokenizer from Hugging Face's `tokenizer.json` (BPE, WordPiece, Unigram), through `@huggingface/tokenizers`.
 *
 * @param files contents of `tokenizer.json` and, where there is one, `tokenizer_config.json`
 * @throws VillaError `InvalidFile` when it is not a tokenizer, `Unsupported` for a part that is not implemented
 */
export function jsonTokenizer(
  files: { readonly tokenizer: Json; readonly config?: Json | undefined },
  options: JsonTokenizerOptions,
): TextTokenizer {
  checkArgument("files", files, { tokenizer: "object", "config?": "object" });
  checkArgument("options", options, { contextLength: "count", "clean?": "function", "fill?": "number" });
  const { contextLength, clean, fill } = options;

  const tokenizer = build(files.tokenizer, files.config ?? {});
  const ids = (text: string, special: boolean) => tokenizer.encode(text, { add_special_tokens: special }).ids;
  const { before, after } = specialTokens(ids);
  const room = contextLength - before.length - after.length;
  if (room < 1) {
    throw new VillaError("InvalidArgument", `A context of ${contextLength} tokens has no room for any text.`);
  }
  return {
    vocabularySize: largestId(tokenizer) + 1,
    contextLength,
    fill: fill ?? fillToken(files.tokenizer, files.config ?? {}, tokenizer),
    encode(text) {
      const content = ids(clean ? clean(text) : text, false);
      return [...before, ...content.slice(0, room), ...after];
    },
  };
}

function build(tokenizer: Json, config: Json): Tokenizer {
  if (typeof tokenizer.model !== "object" || tokenizer.model === null) {
    throw new VillaError("InvalidFile", "tokenizer.json holds no tokenizer: it has no model.");
  }
  try {
    return new Tokenizer(tokenizer, config);
  } catch (cause) {
    throw new VillaError("Unsupported", `tokenizer.json cannot be used: ${(cause as Error).message}.`, { cause });
  }
}

/** What the tokenizer puts around a text, found by encoding one. */
function specialTokens(ids: (text: string, special: boolean) => number[]): { before: number[]; after: number[] } {
  const probe = "a";
  const content = ids(probe, false);
  const whole = ids(probe, true);
  for (let start = 0; start + content.length <= whole.length; start++) {
    if (content.every((id, i) => whole[start + i] === id)) {
      return { before: whole.slice(0, start), after: whole.slice(start + content.length) };
    }
  }
  throw new VillaError("Unsupported", "tokenizer.json changes a text's tokens where it adds start and end tokens.");
}

function largestId(tokenizer: Tokenizer): number {
  let largest = -1;
  for (const id of tokenizer.get_vocab().values()) largest = Math.max(largest, id);
  return largest;
}

function fillToken(file: Json, config: Json, tokenizer: Tokenizer): number {
  const named = config.pad_token as string | { readonly content?: string | undefined } | null | undefined;
  const content = typeof named === "string" ? named : named?.content;
  const id = content === undefined ? undefined : tokenizer.token_to_id(content);
  const padding = file.padding as { readonly pad_id?: number | undefined } | null | undefined;
  return id ?? padding?.pad_id ?? 0;
}
