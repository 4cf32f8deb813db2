import type { GeluKind } from "@villa/core";
import { type ArgumentRule, checkArgument } from "@villa/data";
import type { PictureInput } from "../regions/picture-input.ts";

/** Sizes and settings of a vision transformer; all of it is JSON. */
export interface VitConfig {
  /** Whose names and details it follows. */
  readonly naming: keyof typeof namings;
  /** Side in pixels of the images that it was trained on, and of a patch. */
  readonly imageSize: number;
  readonly patchSize: number;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  /** Width of the perceptrons. */
  readonly hidden: number;
  /** Length of the vectors. */
  readonly embedDim: number;
  readonly activation: GeluKind;
  /** Of the layer normalisations. */
  readonly epsilon: number;
  /** DINOv2's register tokens. Default 0. */
  readonly registers?: number | undefined;
  /** How pictures become images, when the files say so. */
  readonly input?: PictureInput | undefined;
  /** Regions are cut from the last block's value path, or from its plain output. Default `value` where there is one. */
  readonly dense?: "value" | "last-hidden" | undefined;
}

/** A block's parts by the checkpoint's names. */
export interface BlockNames {
  readonly norm1: string;
  readonly norm2: string;
  /** One name where query, key and value are one matrix (see {@link jointNames}), otherwise three. */
  readonly attention: string | readonly [query: string, key: string, value: string];
  readonly out: string;
  readonly fc1: string;
  readonly fc2: string;
  /** Factors of the two branches. */
  readonly scales?: readonly [string, string] | undefined;
}

/** A vision transformer's parts by the checkpoint's names. */
export interface VitNames {
  /** Convolution that makes patches into tokens. */
  readonly patch: string;
  readonly patchBias: boolean;
  /** Position table, [positions, width] or with a leading 1. */
  readonly positions: { readonly name: string; readonly leading: boolean };
  readonly classToken?: { readonly name: string; readonly leading: boolean } | undefined;
  readonly registers?: string | undefined;
  readonly normBefore?: string | undefined;
  readonly normAfter: string;
  /** [embedDim, width], or [width, embedDim] when transposed. */
  readonly projection?: { readonly name: string; readonly transposed: boolean } | undefined;
  /** SigLIP's attention pool: a learned question to all tokens. */
  readonly pool?: string | undefined;
  /** Names all begin so; whatever else a file holds belongs to somebody else. */
  readonly owns: (name: string) => boolean;
  /** Positions scaled with antialiasing, as OpenCLIP does it. */
  readonly antialias: boolean;
  block(layer: number): BlockNames;
}

const transformersBlock =
  (prefix: string) =>
  (layer: number): BlockNames => {
    const block = `${prefix}encoder.layers.${layer}`;
    const attention = ["q_proj", "k_proj", "v_proj"].map((name) => `${block}.self_attn.${name}`);
    return {
      norm1: `${block}.layer_norm1`,
      norm2: `${block}.layer_norm2`,
      attention: attention as unknown as readonly [string, string, string],
      out: `${block}.self_attn.out_proj`,
      fc1: `${block}.mlp.fc1`,
      fc2: `${block}.mlp.fc2`,
    };
  };

function siglip(prefix: string): VitNames {
  return {
    patch: `${prefix}embeddings.patch_embedding`,
    patchBias: true,
    positions: { name: `${prefix}embeddings.position_embedding.weight`, leading: false },
    normAfter: `${prefix}post_layernorm`,
    pool: `${prefix}head`,
    owns: (name) => name.startsWith(prefix) && !name.endsWith("position_ids"),
    antialias: false,
    block: transformersBlock(prefix),
  };
}

/** The families' names: Hugging Face's CLIP, SigLIP and DINOv2, and OpenAI's, which OpenCLIP keeps. */
export const namings = {
  clip: {
    patch: "vision_model.embeddings.patch_embedding",
    patchBias: false,
    positions: { name: "vision_model.embeddings.position_embedding.weight", leading: false },
    classToken: { name: "vision_model.embeddings.class_embedding", leading: false },
    normBefore: "vision_model.pre_layrnorm", // as the checkpoints spell it
    normAfter: "vision_model.post_layernorm",
    projection: { name: "visual_projection.weight", transposed: false },
    owns: (name) =>
      (name.startsWith("vision_model.") && !name.endsWith("position_ids")) || name.startsWith("visual_projection."),
    antialias: false,
    block: transformersBlock("vision_model."),
  },
  "open-clip": {
    patch: "visual.conv1",
    patchBias: false,
    positions: { name: "visual.positional_embedding", leading: false },
    classToken: { name: "visual.class_embedding", leading: false },
    normBefore: "visual.ln_pre",
    normAfter: "visual.ln_post",
    projection: { name: "visual.proj", transposed: true },
    owns: (name) => name.startsWith("visual."),
    antialias: true,
    block: (layer) => {
      const block = `visual.transformer.resblocks.${layer}`;
      return {
        norm1: `${block}.ln_1`,
        norm2: `${block}.ln_2`,
        attention: `${block}.attn`,
        out: `${block}.attn.out_proj`,
        fc1: `${block}.mlp.c_fc`,
        fc2: `${block}.mlp.c_proj`,
      };
    },
  },
  /** OpenCLIP's towers that come from timm and have a class token and a linear projection, as BiomedCLIP's. */
  "open-clip-timm": {
    patch: "visual.trunk.patch_embed.proj",
    patchBias: true,
    positions: { name: "visual.trunk.pos_embed", leading: true },
    classToken: { name: "visual.trunk.cls_token", leading: true },
    normAfter: "visual.trunk.norm",
    projection: { name: "visual.head.proj.weight", transposed: false },
    owns: (name) => name.startsWith("visual."),
    antialias: true,
    block: (layer) => {
      const block = `visual.trunk.blocks.${layer}`;
      return {
        norm1: `${block}.norm1`,
        norm2: `${block}.norm2`,
        attention: `${block}.attn.qkv`,
        out: `${block}.attn.proj`,
        fc1: `${block}.mlp.fc1`,
        fc2: `${block}.mlp.fc2`,
      };
    },
  },
  siglip: siglip("vision_model."),
  /** The vision tower as recent versions of transformers save it alone. */
  "siglip-vision": siglip(""),
  dinov2: {
    patch: "embeddings.patch_embeddings.projection",
    patchBias: true,
    positions: { name: "embeddings.position_embeddings", leading: true },
    classToken: { name: "embeddings.cls_token", leading: true },
    registers: "embeddings.register_tokens",
    normAfter: "layernorm",
    owns: (name) => /^(?:embeddings|encoder|layernorm)\./.test(name) && name !== "embeddings.mask_token",
    antialias: false,
    block: (layer) => {
      const block = `encoder.layer.${layer}`;
      const attention = ["query", "key", "value"].map((name) => `${block}.attention.attention.${name}`);
      return {
        norm1: `${block}.norm1`,
        norm2: `${block}.norm2`,
        attention: attention as unknown as readonly [string, string, string],
        out: `${block}.attention.output.dense`,
        fc1: `${block}.mlp.fc1`,
        fc2: `${block}.mlp.fc2`,
        scales: [`${block}.layer_scale1.lambda1`, `${block}.layer_scale2.lambda1`],
      };
    },
  },
} as const satisfies Readonly<Record<string, VitNames>>;

/** What a {@link VitConfig} has to be. */
export const vitRule: ArgumentRule = {
  naming: "'clip' | 'open-clip' | 'open-clip-timm' | 'dinov2' | 'siglip' | 'siglip-vision'",
  imageSize: "size",
  patchSize: "size",
  width: "size",
  layers: "size",
  heads: "size",
  hidden: "number",
  embedDim: "size",
  activation: "'gelu' | 'gelu_tanh' | 'quick_gelu'",
  epsilon: "number",
  "registers?": "number",
  "input?": { regions: "object", whole: "object", resample: "'bilinear' | 'bicubic'", smallest: "number" },
  "dense?": "'value' | 'last-hidden'",
};

/** Torch shape of every tensor that the tower needs, by its name in the checkpoint. */
export function vitParameterShapes(config: VitConfig): Map<string, readonly number[]> {
  checkArgument("config", config, vitRule);

  const { width, layers, hidden, embedDim, patchSize, imageSize, registers = 0 } = config;
  const names: VitNames = namings[config.naming];
  const shapes = new Map<string, readonly number[]>();
  const linear = (name: string, outputs: number, inputs: number) =>
    shapes.set(`${name}.weight`, [outputs, inputs]).set(`${name}.bias`, [outputs]);
  const norm = (name: string) => shapes.set(`${name}.weight`, [width]).set(`${name}.bias`, [width]);
  const { classToken, positions, projection, pool } = names;
  if (classToken) shapes.set(classToken.name, classToken.leading ? [1, 1, width] : [width]);
  if (names.registers && registers > 0) shapes.set(names.registers, [1, registers, width]);
  shapes.set(`${names.patch}.weight`, [width, 3, patchSize, patchSize]);
  if (names.patchBias) shapes.set(`${names.patch}.bias`, [width]);
  const count = Math.floor(imageSize / patchSize) ** 2 + (classToken ? 1 : 0);
  shapes.set(positions.name, positions.leading ? [1, count, width] : [count, width]);
  if (names.normBefore) norm(names.normBefore);
  for (let layer = 0; layer < layers; layer++) {
    const block = names.block(layer);
    norm(block.norm1);
    norm(block.norm2);
    if (typeof block.attention === "string") joint(shapes, block.attention, width);
    else for (const name of block.attention) linear(name, width, width);
    linear(block.out, width, width);
    linear(block.fc1, hidden, width);
    linear(block.fc2, width, hidden);
    for (const name of block.scales ?? []) shapes.set(name, [width]);
  }
  norm(names.normAfter);
  if (projection) shapes.set(projection.name, projection.transposed ? [width, embedDim] : [embedDim, width]);
  if (pool) {
    shapes.set(`${pool}.probe`, [1, 1, width]);
    joint(shapes, `${pool}.attention`, width);
    linear(`${pool}.attention.out_proj`, width, width);
    norm(`${pool}.layernorm`);
    linear(`${pool}.mlp.fc1`, hidden, width);
    linear(`${pool}.mlp.fc2`, width, hidden);
  }
  return shapes;
}

function joint(shapes: Map<string, readonly number[]>, name: string, width: number): void {
  const [weight, bias] = jointNames(name);
  shapes.set(weight, [3 * width, width]).set(bias, [3 * width]);
}

/** Matrix and bias of query, key and value together: timm's `qkv`, or torch's `MultiheadAttention`. */
export function jointNames(name: string): readonly [weight: string, bias: string] {
  return name.endsWith(".qkv")
    ? [`${name}.weight`, `${name}.bias`]
    : [`${name}.in_proj_weight`, `${name}.in_proj_bias`];
}
