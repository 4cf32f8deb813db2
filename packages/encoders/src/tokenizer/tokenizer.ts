import { checkArgument, VillaError } from "@villa/data";
import { cleanText } from "./clean-text.ts";
import type { TextTokenizer } from "./text-tokenizer.ts";
import { clipVocabulary, endOfText, startOfText, type Vocabulary } from "./vocabulary.ts";

/** Texts as token ids, padded with zeros to the same length. */
export interface TokenBatch {
  /** [texts, length] int32, row-major */
  readonly ids: Int32Array;
  readonly count: number;
  readonly length: number;
}

/**
 * CLIP's byte-level BPE. Needs no files: the vocabulary is part of the package.
 *
 * @example new ClipTokenizer().encode("the image shows a three") // [49406, 518, 2867, 2665, 320, 2097, 49407]
 */
export class ClipTokenizer implements TextTokenizer {
  readonly contextLength: number;
  readonly vocabularySize = endOfText + 1;
  readonly fill = 0;
  private readonly vocabulary: Vocabulary;
  private readonly words = new Map<string, readonly number[]>();

  /** @param options `contextLength`: longest sequence in tokens, start and end included; 77 for every released CLIP */
  constructor(options: { contextLength?: number | undefined } = {}) {
    checkArgument("options?", options, { "contextLength?": "count" });
    const { contextLength = 77 } = options;

    if (!Number.isInteger(contextLength) || contextLength < 2) {
      throw new VillaError(
        "InvalidArgument",
        `contextLength must be a whole number of at least 2, not ${contextLength}.`,
      );
    }
    this.contextLength = contextLength;
    this.vocabulary = clipVocabulary();
  }

  /** Ids of a text with start and end token, without padding. Longer texts are cut and keep the end token. */
  encode(text: string): number[] {
    const ids = [startOfText];
    for (const [word] of cleanText(text).matchAll(wordPattern)) {
      if (ids.length >= this.contextLength - 1) break;
      for (const id of this.encodeWord(word)) ids.push(id);
    }
    ids.length = Math.min(ids.length, this.contextLength - 1);
    ids.push(endOfText);
    return ids;
  }

  /**
   * Ids of several texts, zero-padded.
   *
   * @param options `length`: row length; the context length by default
   */
  encodeBatch(
    texts: readonly string[],
    { length = this.contextLength }: { length?: number | undefined } = {},
  ): TokenBatch {
    const ids = new Int32Array(texts.length * length);
    texts.forEach((text, row) => {
      const tokens = this.encode(text);
      if (tokens.length > length) {
        throw new VillaError("InvalidArgument", `"${text}" has ${tokens.length} tokens, but rows hold only ${length}.`);
      }
      ids.set(tokens, row * length);
    });
    return { ids, count: texts.length, length };
  }

  /** The text that ids stand for, words separated by blanks; start and end tokens are left out. */
  decode(ids: Iterable<number>): string {
    const bytes: number[] = [];
    for (const id of ids) {
      const piece = this.vocabulary.bytesOf(id);
      bytes.push(...piece);
      if (piece.length > 0 && this.vocabulary.endsWord(id)) bytes.push(32);
    }
    return new TextDecoder().decode(Uint8Array.from(bytes)).trim();
  }

  private encodeWord(word: string): readonly number[] {
    if (word === "<|startoftext|>") return [startOfText];
    if (word === "<|endoftext|>") return [endOfText];
    const known = this.words.get(word);
    if (known) return known;
    const ids = this.merge(word);
    // Real texts repeat their words; a bound keeps hostile input from filling memory.
    if (this.words.size < 50_000) this.words.set(word, ids);
    return ids;
  }

  /** Byte-pair encoding: again and again merges every occurrence of the pair with the lowest rank. */
  private merge(word: string): number[] {
    const { tokenOfByte, merges } = this.vocabulary;
    const bytes = new TextEncoder().encode(word).subarray(0, this.contextLength * longestToken + cutMargin);
    const ids = Array.from(bytes, (byte) => tokenOfByte[byte]!);
    ids[ids.length - 1]! += 256;
    while (ids.length > 1) {
      let best = Number.POSITIVE_INFINITY;
      let bestPair = -1;
      for (let i = 0; i + 1 < ids.length; i++) {
        const pair = ids[i]! * 65_536 + ids[i + 1]!;
        const merged = merges.get(pair) ?? Number.POSITIVE_INFINITY;
        if (merged < best) {
          best = merged;
          bestPair = pair;
        }
      }
      if (bestPair < 0) break;
      let length = 0;
      for (let i = 0; i < ids.length; i++) {
        const isPair = i + 1 < ids.length && ids[i]! * 65_536 + ids[i + 1]! === bestPair;
        ids[length++] = isPair ? best : ids[i]!;
        if (isPair) i++;
      }
      ids.length = length;
    }
    return ids;
  }
}

/** Bytes of the longest token there is. */
const longestToken = 32;

/**
 * Merging takes time quadratic in a word's length, so what lies beyond the context is cut before. Far enough beyond, that
 * the cut changes no token that is kept.
 */
const cutMargin = 1024;

// The texts are lower-case here, so CLIP's case-insensitive flag only matters for the long s, which folds to s.
const wordPattern =
  /<\|startoftext\|>|<\|endoftext\|>|'[sſ]|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\p{White_Space}\p{L}\p{N}]+/gu;
