import { checkArgument, VillaError } from "@villa/data";

/** Encodes sentences into [n, dimension] row-major; need not be normalised. Frozen during Stage 2. */
export type SentenceEncoder = (sentences: readonly string[]) => Promise<Float32Array>;

/** Embeds texts as means of their sentences, encoding every distinct sentence once. */
export class SentenceEmbeddings {
  readonly dimension: number;
  private readonly rows = new Map<string, Float32Array>();
  private readonly encode: SentenceEncoder;

  constructor(encode: SentenceEncoder, dimension: number) {
    checkArgument("encode", encode, "function");
    checkArgument("dimension", dimension, "count");

    this.encode = encode;
    this.dimension = dimension;
  }

  /** Encodes those sentences that are not known yet, `batchSize` at a time. */
  async prepare(sentences: Iterable<string>, batchSize = 64): Promise<void> {
    const fresh = [...new Set(sentences)].filter((sentence) => !this.rows.has(sentence));
    for (let start = 0; start < fresh.length; start += batchSize) {
      const batch = fresh.slice(start, start + batchSize);
      const values = await this.encode(batch);
      if (values.length !== batch.length * this.dimension) {
        throw new VillaError(
          "Mismatch",
          `The text encoder gave ${values.length / batch.length} numbers a sentence where ${this.dimension} are expected.`,
        );
      }
      batch.forEach((sentence, i) => {
        this.rows.set(sentence, normalized(values.slice(i * this.dimension, (i + 1) * this.dimension), sentence));
      });
    }
  }

  /**
   * One vector a text: mean of its sentences' normalised embeddings, normalised again.
   *
   * @param texts sentences of each text, all prepared before
   * @returns [texts, dimension] float32
   */
  embed(texts: readonly (readonly string[])[]): Float32Array {
    const result = new Float32Array(texts.length * this.dimension);
    texts.forEach((sentences, i) => {
      const mean = new Float32Array(this.dimension);
      for (const sentence of sentences) {
        const row = this.rows.get(sentence);
        if (!row)
          throw new VillaError("InvalidArgument", `The sentence "${sentence}" was not prepared before embedding.`);
        for (let k = 0; k < mean.length; k++) mean[k]! += row[k]! / sentences.length;
      }
      result.set(normalized(mean, sentences.join(" . ")), i * this.dimension);
    });
    return result;
  }
}

function normalized(vector: Float32Array, text: string): Float32Array {
  let squares = 0;
  for (const value of vector) squares += value * value;
  const norm = Math.sqrt(squares);
  if (!(norm > 0 && Number.isFinite(norm))) {
    throw new VillaError("NotFinite", `The text "${text}" has no direction: its embedding is zero or not finite.`);
  }
  return vector.map((value) => value / norm);
}
