import type { TextTokenizer } from "../tokenizer/text-tokenizer.ts";
import type { TextTower } from "../tower.ts";
import type { TokenTower } from "./token-tower.ts";

/** A text tower with its tokenizer: sentences in, vectors out. */
export interface TextEncoder extends TextTower {
  /** The tower on token ids, for training. */
  readonly tower: TokenTower;
  readonly tokenizer: TextTokenizer;
}

/** Tokens, filling included, that run through the tower at once; bounds memory. */
const tokensPerBatch = 2048;
/** A batch ends where the next text is so much longer than its shortest that filling would cost more than a new batch. */
const longest = 1.25;

/**
 * Joins a tower and a tokenizer that fits it.
 *
 * Texts run in order of length, so that hardly any filling is computed; results come in the order of the texts.
 */
export function textEncoder(tower: TokenTower, tokenizer: TextTokenizer): TextEncoder {
  const { embedDim } = tower;
  return {
    description: tower.description,
    embedDim,
    tower,
    tokenizer,
    async encodeText(texts) {
      const sequences = texts.map((text) => tokenizer.encode(text));
      const result = new Float32Array(texts.length * embedDim);
      for (const batch of batchesByLength(
        sequences,
        tower.sizes.fill === undefined ? undefined : tokenizer.contextLength,
      )) {
        const vectors = tower.encodeTokens(batch.map((text) => sequences[text]!));
        const values = (await vectors.data()) as Float32Array;
        batch.forEach((text, row) => {
          result.set(values.subarray(row * embedDim, (row + 1) * embedDim), text * embedDim);
        });
        vectors.dispose();
      }
      return result;
    },
    dispose: () => tower.dispose(),
  };
}

/** Numbers of the sequences, batch after batch. @param filled the length to which all are filled up, if they are */
function batchesByLength(sequences: readonly (readonly number[])[], filled: number | undefined): number[][] {
  const lengthOf = (text: number) => filled ?? sequences[text]!.length;
  const order = sequences.map((_, text) => text).sort((a, b) => lengthOf(a) - lengthOf(b));
  const batches: number[][] = [];
  let batch: number[] = [];
  for (const text of order) {
    const length = lengthOf(text);
    const isFull = (batch.length + 1) * length > tokensPerBatch;
    // Small batches are worth some filling.
    const isTooLong = batch.length >= 8 && length > longest * lengthOf(batch[0]!);
    if (batch.length > 0 && (isFull || isTooLong)) {
      batches.push(batch);
      batch = [];
    }
    batch.push(text);
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}
