import * as tf from "@tensorflow/tfjs-core";
import { attention, type GeluKind, gelu, l2Normalize } from "@villa/core";
import {
  blockNumber,
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

/** How a sequence's vectors become one. */
export type BertPooling = "mean" | "mean_sqrt_len" | "max" | "cls" | "pooler";

/** Sizes and settings of a BERT text tower. */
export interface BertConfig {
  readonly width: number;
  readonly heads: number;
  readonly layers: number;
  /** Width inside the perceptrons. */
  readonly hidden: number;
  readonly vocabularySize: number;
  /** Rows of the position embedding. */
  readonly positions: number;
  /** Rows of the segment embedding; sentences are all of segment 0. */
  readonly segments: number;
  /** Longest sequence; at most `positions`. */
  readonly contextLength: number;
  readonly activation: GeluKind;
  readonly epsilon: number;
  /** `cls`: the first token's vector; `pooler`: that through BERT's own pooler. */
  readonly pooling: BertPooling;
  /** L2-normalised at the end, as sentence-transformers' `Normalize` module does it. */
  readonly normalized: boolean;
  /** Widths behind the pooling (OpenCLIP's `proj`): none, [embed] or [hidden, embed]. */
  readonly projection: readonly number[];
}

/**
 * BERT as a sentence encoder: MiniLM and SBERT (mean of the tokens), PubMedBERT as BiomedCLIP uses it (first token and a
 * projection). Post-norm blocks, names as in Hugging Face's `BertModel`; OpenCLIP's projection under `proj`.
 *
 * @see https://arxiv.org/abs/1810.04805, https://arxiv.org/abs/1908.10084
 */
export const bert: TextArchitecture<BertConfig> = {
  family: "bert",
  sizes: ({ width, layers, vocabularySize, contextLength, projection }) => ({
    embedDim: projection.at(-1) ?? width,
    vocabularySize,
    contextLength,
    layers,
  }),
  shapes,
  forward(weights, config, tokens) {
    const { layers, epsilon, pooling } = config;
    const names = { tokens: "embeddings.word_embeddings.weight", positions: "embeddings.position_embeddings.weight" };
    const segment = tf.slice(weights("embeddings.token_type_embeddings.weight"), [0, 0], [1, config.width]);
    const embedded: tf.Tensor2D = tf.add(embedTokens(weights, tokens, names), segment);
    let x = normLayer(weights, embedded, "embeddings.LayerNorm", epsilon); // [n·L, W]
    const firstOnly = pooling === "cls" || pooling === "pooler";
    for (let layer = 0; layer < layers; layer++) {
      // Nothing but the first token's vector of the last block is looked at: the others need not be computed.
      x = block(weights, config, x, tokens, { layer, firstOnly: firstOnly && layer === layers - 1 });
    }
    const projected = project(weights, config, pool(weights, config, x, tokens));
    return config.normalized ? l2Normalize(projected) : projected;
  },
  blockOf(name, { layers }) {
    if (name.startsWith("embeddings.")) return -1;
    return name.startsWith("encoder.") ? blockNumber(name)! : layers;
  },
};

/** Attention, then perceptron, each added to its input and normalised after that. @returns [n·L, W] or [n, W] */
function block(
  weights: Weights,
  { heads, epsilon, activation }: BertConfig,
  x: tf.Tensor2D,
  tokens: TokenRows,
  { layer, firstOnly }: { layer: number; firstOnly: boolean },
): tf.Tensor2D {
  return tf.tidy(() => {
    const name = `encoder.layer.${layer}`;
    const asking = firstOnly ? rowOfEach(x, tokens, tokens.lengths.map(() => 0)) : x; // biome-ignore format: one thought
    const query = linearLayer(weights, asking, `${name}.attention.self.query`);
    const key = linearLayer(weights, x, `${name}.attention.self.key`);
    const value = linearLayer(weights, x, `${name}.attention.self.value`);
    const mask = fillingMask(tokens, firstOnly ? 1 : tokens.length);
    const mixed = attention(query, key, value, { count: tokens.count, heads, mask });
    const attended = tf.add(asking, linearLayer(weights, mixed, `${name}.attention.output.dense`)) as tf.Tensor2D;
    const normed = normLayer(weights, attended, `${name}.attention.output.LayerNorm`, epsilon);
    const deep = perceptron(weights, normed, [`${name}.intermediate.dense`, `${name}.output.dense`], activation);
    return normLayer(weights, tf.add(normed, deep), `${name}.output.LayerNorm`, epsilon);
  });
}

/** @param x [n·L, W], or [n, W] where only the first token counts @returns [n, W] */
function pool(weights: Weights, { pooling, width }: BertConfig, x: tf.Tensor2D, tokens: TokenRows): tf.Tensor2D {
  if (pooling === "cls") return x;
  if (pooling === "pooler") return tf.tanh(linearLayer(weights, x, "pooler.dense"));
  return poolTokens(tf.reshape(x, [tokens.count, tokens.length, width]), pooling, tokens);
}

/** The vectors of a sequence's tokens as one. @param rows [n, L, W] @returns [n, W] */
export function poolTokens(
  rows: tf.Tensor3D,
  pooling: Exclude<BertPooling, "pooler">,
  tokens: Pick<TokenRows, "count" | "length" | "lengths">,
): tf.Tensor2D {
  const { count, length, lengths } = tokens;
  const width = rows.shape[2];
  if (pooling === "cls") return tf.reshape(tf.slice(rows, [0, 0, 0], [count, 1, width]), [count, width]);
  if (pooling === "max") {
    const filling = fillingMask(tokens, 1);
    const seen: tf.Tensor3D = filling ? tf.add(rows, tf.reshape(filling, [count, length, 1])) : rows;
    return tf.max(seen, 1);
  }
  // A mean is a product: [n, 1, L] · [n, L, W]
  const shares = new Float32Array(count * length);
  lengths.forEach((own, row) => {
    shares.fill(1 / (pooling === "mean" ? own : Math.sqrt(own)), row * length, row * length + own);
  });
  return tf.reshape(tf.matMul(tf.tensor3d(shares, [count, 1, length]), rows), [count, width]);
}

/** OpenCLIP's projections have no biases: one matrix, or two with GELU between them. */
function project(weights: Weights, { projection }: BertConfig, x: tf.Tensor2D): tf.Tensor2D {
  const through = (input: tf.Tensor2D, name: string): tf.Tensor2D =>
    tf.matMul(input, weights(`${name}.weight`) as tf.Tensor2D, false, true);
  if (projection.length === 0) return x;
  if (projection.length === 1) return through(x, "proj");
  return through(gelu<tf.Tensor2D>(through(x, "proj.0")), "proj.2");
}

function shapes(config: BertConfig): ParameterShapes {
  const { width, hidden, layers, vocabularySize, positions, segments, pooling, projection } = config;
  const all: ParameterShapes = new Map();
  all.set("embeddings.word_embeddings.weight", [vocabularySize, width]);
  all.set("embeddings.position_embeddings.weight", [positions, width]);
  all.set("embeddings.token_type_embeddings.weight", [segments, width]);
  normShapes(all, "embeddings.LayerNorm", width);
  for (let layer = 0; layer < layers; layer++) {
    const name = `encoder.layer.${layer}`;
    for (const part of ["query", "key", "value"]) linearShapes(all, `${name}.attention.self.${part}`, [width, width]);
    linearShapes(all, `${name}.attention.output.dense`, [width, width]);
    normShapes(all, `${name}.attention.output.LayerNorm`, width);
    linearShapes(all, `${name}.intermediate.dense`, [hidden, width]);
    linearShapes(all, `${name}.output.dense`, [width, hidden]);
    normShapes(all, `${name}.output.LayerNorm`, width);
  }
  if (pooling === "pooler") linearShapes(all, "pooler.dense", [width, width]);
  if (projection.length === 1) all.set("proj.weight", [projection[0]!, width]);
  if (projection.length === 2) {
    all.set("proj.0.weight", [projection[0]!, width]);
    all.set("proj.2.weight", [projection[1]!, projection[0]!]);
  }
  return all;
}
