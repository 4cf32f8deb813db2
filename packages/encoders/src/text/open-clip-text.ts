import * as tf from "@tensorflow/tfjs-core";
import { attention, linear } from "@villa/core";
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
import { type ClipTextConfig, endPositions } from "./clip-text.ts";
import type { ParameterShapes, TextArchitecture, TokenRows, Weights } from "./token-tower.ts";

/** Sizes and settings of a text tower in OpenAI's and OpenCLIP's naming. */
export interface OpenClipTextConfig extends ClipTextConfig {
  /** No position looks ahead. */
  readonly causal: boolean;
  /** Where the embedding is read: at the largest id, at `endToken`, at the first or the last position. */
  readonly pooling: "argmax" | "eos" | "first" | "last";
  /** The filling behind a text's end, where the tower looks at it. */
  readonly fill?: number | undefined;
  /** `matrix`: `text_projection` [width, embedDim]; `linear`: a layer with bias, as SigLIP has it. */
  readonly projection: "matrix" | "linear" | "linear-without-bias" | "none";
}

/**
 * CLIP's text transformer by OpenAI's names, with the variants that OpenCLIP has under the same names (GELU, SigLIP's
 * pooling of the last position).
 */
export const openClipText: TextArchitecture<OpenClipTextConfig> = {
  family: "open-clip-text",
  sizes: ({ embedDim, vocabularySize, contextLength, layers, fill }) => ({
    embedDim,
    vocabularySize,
    contextLength,
    layers,
    fill,
  }),
  shapes,
  forward(weights, config, tokens) {
    const read = readPositions(config, tokens);
    const { epsilon, layers } = config;
    let x = embedTokens(weights, tokens, { tokens: "token_embedding.weight", positions: "positional_embedding" });
    const behind = config.causal ? causalMask(tokens) : undefined;
    for (let layer = 0; layer < layers; layer++) {
      x = block(weights, config, x, tokens, { layer, behind, read: layer === layers - 1 ? read : undefined });
    }
    return project(weights, config, normLayer(weights, x, "ln_final", epsilon)); // [n, W] -> [n, embedDim]
  },
  blockOf(name, { layers }) {
    if (name === "token_embedding.weight" || name === "positional_embedding") return -1;
    return name.startsWith("transformer.") ? blockNumber(name)! : layers;
  },
};

/** @param options `read`: in the last block, the only position of each sequence that is wanted */
function block(
  weights: Weights,
  { heads, epsilon, activation, causal, width }: OpenClipTextConfig,
  x: tf.Tensor2D,
  tokens: TokenRows,
  options: { layer: number; behind: tf.Tensor4D | undefined; read: readonly number[] | undefined },
): tf.Tensor2D {
  const { read, behind, layer } = options;
  const name = `transformer.resblocks.${layer}`;
  return tf.tidy(() => {
    const normed = normLayer(weights, x, `${name}.ln_1`, epsilon);
    // One matrix holds query, key and value, [3 W, W].
    const weight = weights(`${name}.attn.in_proj_weight`) as tf.Tensor2D;
    const all = linear(normed, weight, weights(`${name}.attn.in_proj_bias`) as tf.Tensor1D);
    const [queries, key, value] = tf.split(all, [width, width, width], 1) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
    const query = read ? rowOfEach(queries, tokens, read) : queries;
    const seen = read && causal ? fillingMask({ ...tokens, lengths: read.map((end) => end + 1) }, 1) : behind;
    const mixed = attention(query, key, value, { count: tokens.count, heads, mask: seen });
    const input = read ? rowOfEach(x, tokens, read) : x;
    const attended = tf.add(input, linearLayer(weights, mixed, `${name}.attn.out_proj`)) as tf.Tensor2D;
    const again = normLayer(weights, attended, `${name}.ln_2`, epsilon);
    return tf.add(attended, perceptron(weights, again, [`${name}.mlp.c_fc`, `${name}.mlp.c_proj`], activation));
  });
}

function readPositions({ pooling, endToken }: OpenClipTextConfig, tokens: TokenRows): number[] {
  if (pooling === "first") return tokens.lengths.map(() => 0);
  if (pooling === "last") return tokens.lengths.map(() => tokens.length - 1);
  return endPositions(tokens, pooling === "eos" ? endToken : undefined);
}

function project(weights: Weights, { projection }: OpenClipTextConfig, x: tf.Tensor2D): tf.Tensor2D {
  if (projection === "none") return x;
  if (projection === "linear") return linearLayer(weights, x, "text_projection");
  if (projection === "matrix") return tf.matMul(x, weights("text_projection") as tf.Tensor2D);
  return tf.matMul(x, weights("text_projection.weight") as tf.Tensor2D, false, true);
}

function shapes(config: OpenClipTextConfig): ParameterShapes {
  const { width, hidden, layers, vocabularySize, contextLength, embedDim, projection } = config;
  const all: ParameterShapes = new Map();
  all.set("token_embedding.weight", [vocabularySize, width]);
  all.set("positional_embedding", [contextLength, width]);
  for (let layer = 0; layer < layers; layer++) {
    const name = `transformer.resblocks.${layer}`;
    all.set(`${name}.attn.in_proj_weight`, [3 * width, width]);
    all.set(`${name}.attn.in_proj_bias`, [3 * width]);
    linearShapes(all, `${name}.attn.out_proj`, [width, width]);
    normShapes(all, `${name}.ln_1`, width);
    normShapes(all, `${name}.ln_2`, width);
    linearShapes(all, `${name}.mlp.c_fc`, [hidden, width]);
    linearShapes(all, `${name}.mlp.c_proj`, [width, hidden]);
  }
  normShapes(all, "ln_final", width);
  if (projection === "matrix") all.set("text_projection", [width, embedDim]);
  if (projection === "linear") linearShapes(all, "text_projection", [embedDim, width]);
  if (projection === "linear-without-bias") all.set("text_projection.weight", [embedDim, width]);
  return all;
}
