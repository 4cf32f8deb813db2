import * as tf from "@tensorflow/tfjs-core";
import { attention, type GeluKind } from "@villa/core";
import { VillaError } from "@villa/data";
import {
  blockNumber,
  causalMask,
  embedTokens,
  fillingMask,
  linearLayer,
  linearShapes,
  normLayer,
  normShapes,
  perceptron,
  rowOfEach,
} from "./blocks.ts";
import type { ParameterShapes, TextArchitecture, TokenRows, Weights } from "./token-tower.ts";

/** Sizes and settings of a text tower in Hugging Face's CLIP or SigLIP naming. */
export interface ClipTextConfig {
  readonly width: number;
  readonly heads: number;
  readonly layers: number;
  /** Width inside the perceptrons. */
  readonly hidden: number;
  readonly vocabularySize: number;
  readonly contextLength: number;
  readonly embedDim: number;
  readonly activation: GeluKind;
  readonly epsilon: number;
  /** Token at which the embedding is read. Undefined: at the largest id, as OpenAI's CLIP does it. */
  readonly endToken?: number | undefined;
}

/**
 * CLIP's text transformer by Hugging Face's names: pre-norm blocks, every position looks back only, the embedding is
 * read at the end token.
 *
 * @see https://arxiv.org/abs/2103.00020
 */
export const clipText: TextArchitecture<ClipTextConfig> = {
  family: "clip-text",
  sizes: ({ embedDim, vocabularySize, contextLength, layers }) => ({ embedDim, vocabularySize, contextLength, layers }),
  shapes(config) {
    const all = hfTextShapes(config);
    all.set("text_projection.weight", [config.embedDim, config.width]);
    return all;
  },
  forward(weights, config, tokens) {
    const ends = endPositions(tokens, config.endToken);
    const pooled = hfTextBlocks(weights, config, tokens, { causal: true, read: ends });
    const normed = normLayer(weights, pooled, "text_model.final_layer_norm", config.epsilon);
    return tf.matMul(normed, weights("text_projection.weight") as tf.Tensor2D, false, true);
  },
  blockOf: hfTextBlockOf,
};

/** Where each sequence's embedding is read. @throws VillaError `InvalidArgument` for a sequence without end token */
export function endPositions({ ids, length, lengths }: TokenRows, endToken: number | undefined): number[] {
  return lengths.map((own, row) => {
    const sequence = ids.subarray(row * length, row * length + own);
    const end = sequence.indexOf(endToken ?? Math.max(...sequence));
    if (end >= 0) return end;
    throw new VillaError("InvalidArgument", `Text ${row} has no end token (${endToken}); its tokenizer does not fit.`);
  });
}

/**
 * Embeddings and pre-norm blocks as CLIP and SigLIP name them. Of the last block only one row a sequence is computed.
 *
 * @param options `causal`: no position looks ahead; `read`: the position of each sequence that is wanted
 * @returns [n, W]
 */
export function hfTextBlocks(
  weights: Weights,
  { layers, heads, epsilon, activation }: Omit<ClipTextConfig, "embedDim">,
  tokens: TokenRows,
  { causal, read }: { causal: boolean; read: readonly number[] },
): tf.Tensor2D {
  const names = {
    tokens: "text_model.embeddings.token_embedding.weight",
    positions: "text_model.embeddings.position_embedding.weight",
  };
  let x = embedTokens(weights, tokens, names); // [n·L, W]
  const behind = causal ? causalMask(tokens) : undefined;
  for (let layer = 0; layer < layers; layer++) {
    const isLast = layer === layers - 1;
    const name = `text_model.encoder.layers.${layer}`;
    x = tf.tidy(() => {
      const normed = normLayer(weights, x, `${name}.layer_norm1`, epsilon);
      const asking = isLast ? rowOfEach(normed, tokens, read) : normed;
      const query = linearLayer(weights, asking, `${name}.self_attn.q_proj`);
      const key = linearLayer(weights, normed, `${name}.self_attn.k_proj`);
      const value = linearLayer(weights, normed, `${name}.self_attn.v_proj`);
      const lengths = causal ? read.map((end) => end + 1) : tokens.lengths;
      const mask = isLast && causal ? fillingMask({ ...tokens, lengths }, 1) : behind;
      const mixed = attention(query, key, value, { count: tokens.count, heads, mask });
      const input = isLast ? rowOfEach(x, tokens, read) : x;
      const attended = tf.add(input, linearLayer(weights, mixed, `${name}.self_attn.out_proj`)) as tf.Tensor2D;
      const again = normLayer(weights, attended, `${name}.layer_norm2`, epsilon);
      return tf.add(attended, perceptron(weights, again, [`${name}.mlp.fc1`, `${name}.mlp.fc2`], activation));
    });
  }
  return x;
}

/** Everything under `text_model.` but SigLIP's head. */
export function hfTextShapes(config: ClipTextConfig): ParameterShapes {
  const { width, hidden, layers, vocabularySize, contextLength } = config;
  const all: ParameterShapes = new Map();
  all.set("text_model.embeddings.token_embedding.weight", [vocabularySize, width]);
  all.set("text_model.embeddings.position_embedding.weight", [contextLength, width]);
  for (let layer = 0; layer < layers; layer++) {
    const name = `text_model.encoder.layers.${layer}`;
    for (const part of ["k", "v", "q", "out"]) linearShapes(all, `${name}.self_attn.${part}_proj`, [width, width]);
    normShapes(all, `${name}.layer_norm1`, width);
    linearShapes(all, `${name}.mlp.fc1`, [hidden, width]);
    linearShapes(all, `${name}.mlp.fc2`, [width, hidden]);
    normShapes(all, `${name}.layer_norm2`, width);
  }
  normShapes(all, "text_model.final_layer_norm", width);
  return all;
}

export function hfTextBlockOf(name: string, { layers }: ClipTextConfig): number {
  if (name.startsWith("text_model.embeddings.")) return -1;
  return name.startsWith("text_model.encoder.") ? blockNumber(name)! : layers;
}
