import * as tf from "@tensorflow/tfjs-core";
import { frozenWeight, type WeightStorage } from "@villa/core";
import { checkArgument, VillaError } from "@villa/data";
import { endOfText } from "../tokenizer/vocabulary.ts";
import type { TextTransformerConfig, WeightArray } from "./parameters.ts";
import { textTransformerRule } from "./parameters.ts";

/**
 * CLIP's causal text transformer, for inference.
 *
 * Being causal, a sequence's embedding at its end token does not depend on the padding after it: rows are cut to the
 * longest text of the batch instead of computed over all 77 positions.
 */
export class TextTransformer {
  readonly config: TextTransformerConfig;
  readonly #tokenEmbedding: Float32Array;
  readonly #positions: Float32Array;
  readonly #weights = new Map<string, tf.Tensor>();

  /** @param tensors weights by OpenAI's names; the token embedding stays in plain memory, the rest goes to the backend */
  constructor(
    config: TextTransformerConfig,
    tensors: ReadonlyMap<string, WeightArray>,
    options: { readonly storage?: WeightStorage | undefined } = {},
  ) {
    checkArgument("config", config, textTransformerRule);
    checkArgument("tensors", tensors, "Map");
    checkArgument("options?", options, { "storage?": "'float32' | 'float16'" });

    this.config = config;
    this.#tokenEmbedding = tensors.get("token_embedding.weight")!.data;
    this.#positions = tensors.get("positional_embedding")!.data;
    for (const [name, { shape, data }] of tensors) {
      if (name.startsWith("transformer.") || name.startsWith("ln_final.") || name === "text_projection") {
        this.#weights.set(name, tf.keep(frozenWeight(data, shape, options.storage)));
      }
    }
  }

  /**
   * @param sequences token ids of every text, start and end token included, at most contextLength each; padding optional
   * @returns [texts, embedDim], not normalised
   * @throws VillaError `InvalidArgument`
   */
  encode(sequences: readonly ArrayLike<number>[]): tf.Tensor2D {
    const { width, heads, layers, embedDim } = this.config;
    if (sequences.length === 0) return tf.zeros([0, embedDim]);
    const ends = sequences.map((ids, row) => this.#endOf(ids, row));
    const length = Math.max(...ends) + 1;
    return tf.tidy(() => {
      const count = sequences.length;
      let x: tf.Tensor2D = tf.tensor2d(this.#embed(sequences, ends, length), [count * length, width]);
      const mask = causalMask(length);
      for (let layer = 0; layer < layers; layer++) {
        const block = `transformer.resblocks.${layer}`;
        const input = x;
        x = tf.tidy(() => {
          const normed = this.#layerNorm(input, `${block}.ln_1`);
          const attended: tf.Tensor2D = tf.add(
            input,
            this.#attention(normed, `${block}.attn`, mask, { count, length, heads }),
          );
          return tf.add(attended, this.#perceptron(this.#layerNorm(attended, `${block}.ln_2`), `${block}.mlp`));
        });
        input.dispose();
      }
      const last = selectRows(
        x,
        ends.map((end, row) => row * length + end),
      );
      return tf.matMul(this.#layerNorm(last, "ln_final"), this.#weight("text_projection"));
    });
  }

  /** Frees the weights. */
  dispose(): void {
    tf.dispose([...this.#weights.values()]);
    this.#weights.clear();
  }

  #weight<T extends tf.Tensor = tf.Tensor2D>(name: string): T {
    return this.#weights.get(name) as T;
  }

  #endOf(ids: ArrayLike<number>, row: number): number {
    const { contextLength, vocabularySize } = this.config;
    let end = -1;
    for (let i = 0; i < ids.length && end < 0; i++) {
      const id = ids[i]!;
      if (!(Number.isInteger(id) && id >= 0 && id < vocabularySize)) {
        throw new VillaError(
          "InvalidArgument",
          `Text ${row} has the token ${id}, outside of 0 … ${vocabularySize - 1}.`,
        );
      }
      if (id === endOfText) end = i;
    }
    if (end < 0 || end >= contextLength) {
      throw new VillaError(
        "InvalidArgument",
        `Text ${row} has no end token (${endOfText}) among its first ${contextLength} tokens.`,
      );
    }
    return end;
  }

  /** Token plus position embeddings, [count × length, width]; rows after a text's end stay zero. */
  #embed(sequences: readonly ArrayLike<number>[], ends: readonly number[], length: number): Float32Array {
    const { width } = this.config;
    const out = new Float32Array(sequences.length * length * width);
    sequences.forEach((ids, row) => {
      for (let i = 0; i <= ends[row]!; i++) {
        const to = (row * length + i) * width;
        const token = ids[i]! * width;
        for (let k = 0; k < width; k++)
          out[to + k] = this.#tokenEmbedding[token + k]! + this.#positions[i * width + k]!;
      }
    });
    return out;
  }

  #attention(
    x: tf.Tensor2D,
    name: string,
    mask: tf.Tensor2D,
    { count, length, heads }: { count: number; length: number; heads: number },
  ): tf.Tensor2D {
    const width = this.config.width;
    const headSize = width / heads;
    const projected = tf.add(
      tf.matMul(x, this.#weight(`${name}.in_proj_weight`), false, true),
      this.#weight(`${name}.in_proj_bias`),
    );
    // [n·L, 3·width] → 3 × [n·heads, L, headSize]
    const split = tf.transpose(tf.reshape(projected, [count, length, 3, heads, headSize]), [2, 0, 3, 1, 4]);
    const [query, key, value] = tf.unstack(tf.reshape(split, [3, count * heads, length, headSize])) as [
      tf.Tensor3D,
      tf.Tensor3D,
      tf.Tensor3D,
    ];
    const scores = tf.add(tf.mul(tf.matMul(query, key, false, true), headSize ** -0.5), mask);
    const mixed = tf.matMul(tf.softmax(scores), value); // [n·heads, L, headSize]
    const joined = tf.transpose(tf.reshape(mixed, [count, heads, length, headSize]), [0, 2, 1, 3]);
    return this.#linear(tf.reshape(joined, [count * length, width]), `${name}.out_proj`);
  }

  /** Linear → QuickGELU → Linear. */
  #perceptron(x: tf.Tensor2D, name: string): tf.Tensor2D {
    const hidden = this.#linear(x, `${name}.c_fc`);
    return this.#linear(tf.mul(hidden, tf.sigmoid(tf.mul(hidden, 1.702))), `${name}.c_proj`);
  }

  #linear(x: tf.Tensor2D, name: string): tf.Tensor2D {
    return tf.add(tf.matMul(x, this.#weight(`${name}.weight`), false, true), this.#weight(`${name}.bias`));
  }

  #layerNorm(x: tf.Tensor2D, name: string): tf.Tensor2D {
    const centred = tf.sub(x, tf.mean(x, -1, true));
    const variance = tf.mean(tf.square(centred), -1, true);
    const normed = tf.mul(centred, tf.rsqrt(tf.add(variance, 1e-5)));
    return tf.add(tf.mul(normed, this.#weight(`${name}.weight`)), this.#weight(`${name}.bias`));
  }
}

/** [L, L] zero where a position may look, very negative where it would look ahead. */
function causalMask(length: number): tf.Tensor2D {
  const mask = new Float32Array(length * length);
  for (let i = 0; i < length; i++) mask.fill(-1e9, i * length + i + 1, (i + 1) * length);
  return tf.tensor2d(mask, [length, length]);
}

function selectRows(x: tf.Tensor2D, rows: readonly number[]): tf.Tensor2D {
  return tf.gather(x, tf.tensor1d([...rows], "int32"));
}
