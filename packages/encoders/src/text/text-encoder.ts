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
      const filledTo = tower.sizes.fill === undefined ? undefined : tokenizer.contextLength;
      const encode = async (batch: readonly (readonly number[])[]) => {
        const vectors = tower.encodeTokens(batch);
        const values = ((await vectors.data()) as Float32Array).slice();
        vectors.dispose();
        return values;
      };
      return encodeByLength(sequences, encode, { embedDim, filledTo });
    },
    dispose: () => tower.dispose(),
  };
}

/** What {@link encodeByLength} knows of a tower. */
interface Batching {
  readonly embedDim: number;
  /** The length to which all sequences are filled up, if they are. */
  readonly filledTo?: number | undefined;
  /** Sequences of different lengths never share a batch. Default false. */
  readonly equalLengths?: boolean | undefined;
}

/**
 * Encodes sequences a few at a time, in order of length.
 *
 * @param encode [batch, embedDim] of sequences
 * @returns [sequences, embedDim] in the order given
 */
export async function encodeByLength(
  sequences: readonly (readonly number[])[],
  encode: (batch: readonly (readonly number[])[]) => Promise<Float32Array>,
  { embedDim, filledTo, equalLengths = false }: Batching,
): Promise<Float32Array> {
  const result = new Float32Array(sequences.length * embedDim);
  for (const batch of batchesByLength(sequences, filledTo, equalLengths ? 1 : longest)) {
    const values = await encode(batch.map((text) => sequences[text]!));
    batch.forEach((text, row) => {
      result.set(values.subarray(row * embedDim, (row + 1) * embedDim), text * embedDim);
    });
  }
  return result;
}

/**
 * Numbers of the sequences, batch after batch.
 *
 * @param filled the length to which all are filled up, if they are
 * @param stretch how many times longer than its shortest sequence a batch's longest may be
 */
function batchesByLength(
  sequences: readonly (readonly number[])[],
  filled: number | undefined,
  stretch: number,
): number[][] {
  const lengthOf = (text: number) => filled ?? sequences[text]!.length;
  const order = sequences.map((_, text) => text).sort((a, b) => lengthOf(a) - lengthOf(b));
  const batches: number[][] = [];
  let batch: number[] = [];
  for (const text of order) {
    const length = lengthOf(text);
    const isFull = (batch.length + 1) * length > tokensPerBatch;
    // Small batches are worth some filling, where it is allowed.
    const isTooLong = batch.length >= (stretch === 1 ? 1 : 8) && length > stretch * lengthOf(batch[0]!);
    if (batch.length > 0 && (isFull || isTooLong)) {
      batches.push(batch);
      batch = [];
    }
    batch.push(text);
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}
