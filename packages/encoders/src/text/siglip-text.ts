import { linearLayer, linearShapes, normLayer } from "./blocks.ts";
import { type ClipTextConfig, hfTextBlockOf, hfTextBlocks, hfTextShapes } from "./clip-text.ts";
import type { TextArchitecture } from "./token-tower.ts";

/** Sizes and settings of a SigLIP text tower. */
export interface SiglipTextConfig extends ClipTextConfig {
  /** The filling behind a text's end, which the tower was trained to look at. */
  readonly fill: number;
}

/**
 * SigLIP's and SigLIP 2's text transformer by Hugging Face's names: pre-norm blocks in which every position looks at
 * every other, filling included; the embedding is the last position's, through a linear head.
 *
 * @see https://arxiv.org/abs/2303.15343, https://arxiv.org/abs/2502.14786
 */
export const siglipText: TextArchitecture<SiglipTextConfig> = {
  family: "siglip-text",
  sizes: ({ embedDim, vocabularySize, contextLength, layers, fill }) => ({
    embedDim,
    vocabularySize,
    contextLength,
    layers,
    fill,
  }),
  shapes(config) {
    const all = hfTextShapes(config);
    linearShapes(all, "text_model.head", [config.embedDim, config.width]);
    return all;
  },
  forward(weights, config, tokens) {
    const last = tokens.lengths.map(() => tokens.length - 1);
    const pooled = hfTextBlocks(weights, config, tokens, { causal: false, read: last });
    const normed = normLayer(weights, pooled, "text_model.final_layer_norm", config.epsilon);
    return linearLayer(weights, normed, "text_model.head");
  },
  blockOf: hfTextBlockOf,
};
