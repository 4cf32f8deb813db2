import { checkArgument, functionWords, RandomState, wordsOf } from "@villa/data";
import type { TextFamily } from "./tower.ts";

/** Hashed words: a text encoder that needs no weights. */
export const hashedTextFamily: TextFamily = {
  recognise: async () => undefined,
  async load({ config, dimension, seed }) {
    const { embedDim, seed: known } = { embedDim: 1024, seed: 23, ...config } as { embedDim: number; seed: number };
    const [length, start] = [dimension ?? embedDim, seed ?? known];
    return {
      description: { family: "hashed", config: { embedDim: length, seed: start } },
      embedDim: length,
      encodeText: async (texts) => wordHashEmbeddings(texts, { dimension: length, seed: start }),
      dispose: () => undefined,
    };
  },
};

/** Function words stand in nearly every sentence and would drown the others. */
const functionWordWeight = 0.2;

/**
 * Sentences as normalised sums of one random unit vector per word. A word's vector depends on its letters and `seed`
 * alone.
 *
 * @returns [texts, dimension]
 */
export function wordHashEmbeddings(
  texts: readonly string[],
  options: { readonly dimension: number; readonly seed: number },
): Float32Array {
  checkArgument("texts", texts, ["text"]);
  checkArgument("options", options, { dimension: "count", seed: "number" });
  const { dimension, seed } = options;

  const vectors = new Map<string, Float64Array>();
  const vectorOf = (word: string) => {
    let vector = vectors.get(word);
    if (!vector) {
      vector = unitVector(hash(word, seed), dimension);
      vectors.set(word, vector);
    }
    return vector;
  };
  const result = new Float32Array(texts.length * dimension);
  texts.forEach((text, row) => {
    const words = wordsOf(text);
    const sum = new Float64Array(dimension);
    for (const word of words.length > 0 ? words : [""]) {
      const weight = functionWords.has(word) ? functionWordWeight : 1;
      vectorOf(word).forEach((value, i) => {
        sum[i]! += weight * value;
      });
    }
    const norm = Math.sqrt(sum.reduce((total, value) => total + value * value, 0));
    for (let i = 0; i < dimension; i++) result[row * dimension + i] = sum[i]! / norm;
  });
  return result;
}

function unitVector(seed: number, dimension: number): Float64Array {
  const random = new RandomState(seed);
  const vector = Float64Array.from({ length: dimension }, () => random.normal());
  const norm = Math.sqrt(vector.reduce((total, value) => total + value * value, 0));
  return vector.map((value) => value / norm);
}

/** FNV-1a over the word's UTF-8 bytes, started from the seed. */
function hash(word: string, seed: number): number {
  let value = (0x811c9dc5 ^ Math.imul(seed, 0x9e3779b1)) >>> 0;
  for (const byte of new TextEncoder().encode(word)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value;
}
