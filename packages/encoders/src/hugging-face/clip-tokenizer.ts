import { checkArgument } from "@villa/data";
import type { Json } from "../text/settings.ts";
import { clipVocabulary, endOfText, startOfText } from "../tokenizer/vocabulary.ts";

/** CLIP's own tokenizer as the files that `transformers` and transformers.js read. */
export interface TokenizerFiles {
  /** `tokenizer.json` */
  readonly tokenizer: Json;
  /** `tokenizer_config.json` */
  readonly config: Json;
}

const [start, end] = ["<|startoftext|>", "<|endoftext|>"];

/**
 * OpenAI's byte-level BPE, built into this package, as a `tokenizer.json`. It leaves out the repair of wrongly decoded
 * text that OpenAI's code does first, as Hugging Face's own does.
 *
 * @param contextLength longest sequence in tokens
 */
export function clipTokenizerFiles(contextLength: number): TokenizerFiles {
  checkArgument("contextLength", contextLength, "size");
  const special = [
    { id: startOfText, content: start },
    { id: endOfText, content: end },
  ].map((token) => ({ ...token, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }));
  const pattern =
    "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";
  return {
    tokenizer: {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: special,
      normalizer: {
        type: "Sequence",
        normalizers: [
          { type: "NFC" },
          { type: "Replace", pattern: { Regex: "\\s+" }, content: " " },
          { type: "Lowercase" },
        ],
      },
      pre_tokenizer: {
        type: "Sequence",
        pretokenizers: [
          { type: "Split", pattern: { Regex: pattern }, behavior: "Removed", invert: true },
          { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
        ],
      },
      post_processor: {
        type: "RobertaProcessing",
        sep: [end, endOfText],
        cls: [start, startOfText],
        trim_offsets: false,
        add_prefix_space: false,
      },
      decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
      model: {
        type: "BPE",
        dropout: null,
        unk_token: end,
        continuing_subword_prefix: "",
        end_of_word_suffix: "</w>",
        fuse_unk: false,
        byte_fallback: false,
        ...vocabularyAndMerges(),
      },
    },
    config: {
      tokenizer_class: "CLIPTokenizer",
      model_max_length: contextLength,
      bos_token: start,
      eos_token: end,
      pad_token: end,
      unk_token: end,
    },
  };
}

/** Tokens in the letters that stand for bytes, and pairs in order of rank. */
function vocabularyAndMerges(): { vocab: Record<string, number>; merges: string[] } {
  const vocabulary = clipVocabulary();
  const letters = byteLetters();
  const names = Array.from({ length: startOfText }, (_, token) => {
    const text = vocabulary.bytesOf(token).map((byte) => letters[byte]!).join(""); // biome-ignore format: one thought
    return vocabulary.endsWord(token) ? `${text}</w>` : text;
  });
  const merges = [...vocabulary.merges.keys()].map(
    (pair) => `${names[Math.floor(pair / 65_536)]} ${names[pair % 65_536]}`,
  );
  return { vocab: Object.fromEntries([...names, start!, end!].map((name, token) => [name, token])), merges };
}

/** GPT-2's letters for bytes: those that print stand for themselves, the others come after U+0100. */
function byteLetters(): string[] {
  const { tokenOfByte } = clipVocabulary();
  return Array.from({ length: 256 }, (_, byte) => {
    const token = tokenOfByte[byte]!;
    // CLIP numbers the bytes that print first.
    return token < printing ? String.fromCharCode(byte) : String.fromCharCode(256 + token - printing);
  });
}

/** How many bytes print in Latin-1. */
const printing = 188;
