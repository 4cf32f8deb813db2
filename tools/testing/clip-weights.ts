import type { TensorData } from "../../packages/data/src/index.ts";
import {
  type ClipConfig,
  type TextTransformerConfig,
  textParameterShapes,
  visionParameterShapes,
} from "../../packages/encoders/src/index.ts";
import { tensorValues } from "./unit.ts";

/** `config` of a case in clip.json. */
export interface GoldenClipConfig {
  embed_dim: number;
  image_resolution: number;
  vision_layers: [number, number, number, number];
  vision_width: number;
  context_length: number;
  vocab_size: number;
  transformer_width: number;
  transformer_heads: number;
  transformer_layers: number;
}

export function clipConfig(golden: GoldenClipConfig): ClipConfig & { readonly text: TextTransformerConfig } {
  return {
    vision: {
      layers: golden.vision_layers,
      width: golden.vision_width,
      embedDim: golden.embed_dim,
      heads: Math.floor((golden.vision_width * 32) / 64),
      gridSize: golden.image_resolution / 32,
    },
    text: {
      contextLength: golden.context_length,
      vocabularySize: golden.vocab_size,
      width: golden.transformer_width,
      heads: golden.transformer_heads,
      layers: golden.transformer_layers,
      embedDim: golden.embed_dim,
    },
  };
}

/** A CLIP checkpoint whose weights are made from their names, by the rules that come with the golden values. */
export function namedStateDict(salt: string, config: ClipConfig): Map<string, TensorData> {
  const shapes = visionParameterShapes(config.vision);
  if (config.text) {
    for (const [name, shape] of textParameterShapes(config.text)) shapes.set(name, shape);
    shapes.set("logit_scale", []);
  }
  return new Map(
    [...shapes].map(([name, shape]) => [
      name,
      { dtype: "float32", shape: [...shape], data: namedWeight(`${salt}:${name}`, name, shape) },
    ]),
  );
}

function namedWeight(seed: string, name: string, shape: readonly number[]): Float32Array {
  const values = (scale = 1) => tensorValues(seed, shape, scale);
  if (name.endsWith("running_var")) return values().map((value) => 1 + 0.5 * Math.abs(value));
  if (name.endsWith("running_mean")) return values(0.1);
  if (name.includes(".bn") || name.includes("ln_") || name.includes(".downsample.1")) {
    if (!name.endsWith("weight")) return values(0.1);
    const scale = name.endsWith("bn3.weight") ? 0.3 : 1;
    return values().map((value) => scale * (1 + 0.1 * value));
  }
  if (name.endsWith(".bias") || name.endsWith("in_proj_bias")) return values(0.05);
  if (name.endsWith("positional_embedding") || name === "token_embedding.weight") return values(0.05);
  if (name === "logit_scale") return Float32Array.of(Math.log(1 / 0.07));
  if (shape.length === 4) return values(Math.sqrt(6 / (shape[1]! * shape[2]! * shape[3]!)));
  return values(Math.sqrt(3 / (name === "text_projection" ? shape[0]! : shape[1]!)));
}

/** `T(name)`-like image bytes / 255 in NCHW, as NHWC. */
export function nchwToNhwc(values: ArrayLike<number>, [n, c, h, w]: readonly [number, number, number, number]) {
  const result = new Float32Array(values.length);
  for (let i = 0; i < n; i++)
    for (let k = 0; k < c; k++)
      for (let p = 0; p < h * w; p++) result[(i * h * w + p) * c + k] = values[(i * c + k) * h * w + p]!;
  return result;
}

/** NHWC → NCHW, to compare with golden summaries. */
export function nhwcToNchw(values: ArrayLike<number>, [n, h, w, c]: readonly number[]) {
  const result = new Float32Array(values.length);
  for (let i = 0; i < n!; i++)
    for (let k = 0; k < c!; k++)
      for (let p = 0; p < h! * w!; p++) result[(i * c! + k) * h! * w! + p] = values[(i * h! * w! + p) * c! + k]!;
  return result;
}
