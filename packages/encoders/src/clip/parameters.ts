import { type ArgumentRule, checkArgument, type TensorData, VillaError } from "@villa/data";

/** Sizes of CLIP's modified ResNet. RN50: `{ layers: [3, 4, 6, 3], width: 64, embedDim: 1024, heads: 32, gridSize: 7 }`. */
export interface ModifiedResNetConfig {
  /** Bottleneck blocks of layer1 … layer4. */
  readonly layers: readonly [number, number, number, number];
  /** Channels of layer1's narrow convolutions; layer4 ends with 32 × width. */
  readonly width: number;
  /** Size of the joint embedding. */
  readonly embedDim: number;
  /** Attention heads of the attention pool. */
  readonly heads: number;
  /** The attention pool's positions form a gridSize × gridSize grid. RoIAlign gives twice that, which layer4 halves. */
  readonly gridSize: number;
  /**
   * Side in pixels of the square to which every region is cut out of its picture, to be an image of its own. Absent:
   * regions are cut from the map of the whole image, as CLIP's are.
   */
  readonly cropSide?: number | undefined;
}

/** Sizes of CLIP's text transformer. RN50: `{ contextLength: 77, vocabularySize: 49408, width: 512, heads: 8, layers: 12, embedDim: 1024 }`. */
export interface TextTransformerConfig {
  readonly contextLength: number;
  readonly vocabularySize: number;
  readonly width: number;
  readonly heads: number;
  readonly layers: number;
  readonly embedDim: number;
}

/** Sizes of both towers. */
export interface ClipConfig {
  readonly vision: ModifiedResNetConfig;
  /** Absent when the checkpoint holds only a vision tower. */
  readonly text?: TextTransformerConfig | undefined;
}

/** The sizes of OpenAI's CLIP RN50. */
export const rn50Config: ClipConfig & { readonly text: TextTransformerConfig } = {
  vision: { layers: [3, 4, 6, 3], width: 64, embedDim: 1024, heads: 32, gridSize: 7 },
  text: { contextLength: 77, vocabularySize: 49_408, width: 512, heads: 8, layers: 12, embedDim: 1024 },
};

/** A weight in plain memory. */
export interface WeightArray {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

type Shapes = ReadonlyMap<string, Pick<TensorData, "shape">>;

/** What a {@link ModifiedResNetConfig} has to be. */
export const resNetRule: ArgumentRule = {
  layers: "numbers",
  width: "count",
  embedDim: "number",
  heads: "count",
  gridSize: "number",
  "cropSide?": "count",
};

/** What a {@link TextTransformerConfig} has to be. */
export const textTransformerRule: ArgumentRule = {
  contextLength: "count",
  vocabularySize: "count",
  width: "count",
  heads: "count",
  layers: "count",
  embedDim: "number",
};

/**
 * Reads the sizes off a checkpoint's tensors.
 *
 * @param options `textHeads`: the one size that no tensor shows; CLIP has one head per 64 channels
 * @throws VillaError `Mismatch` when a tensor that tells a size is missing
 */
export function readClipConfig(tensors: Shapes, options: { textHeads?: number | undefined } = {}): ClipConfig {
  checkArgument("tensors", tensors, "Map");
  checkArgument("options?", options, { "textHeads?": "number" });
  const { textHeads } = options;

  const vision = readVisionConfig(tensors);
  if (!tensors.has("token_embedding.weight")) return { vision };
  const [vocabularySize, width] = shapeOf(tensors, "token_embedding.weight", 2) as [number, number];
  const text: TextTransformerConfig = {
    contextLength: shapeOf(tensors, "positional_embedding", 2)[0]!,
    vocabularySize,
    width,
    heads: textHeads ?? Math.max(1, Math.floor(width / 64)),
    layers: countBlocks(tensors, "transformer.resblocks"),
    embedDim: shapeOf(tensors, "text_projection", 2)[1]!,
  };
  return { vision, text };
}

function readVisionConfig(tensors: Shapes): ModifiedResNetConfig {
  if (tensors.has("visual.class_embedding")) {
    throw new VillaError(
      "Mismatch",
      "These weights are a vision transformer (ViT); regions need the feature map of a CLIP ResNet such as RN50.",
    );
  }
  const width = shapeOf(tensors, "visual.layer1.0.conv1.weight", 4)[0]!;
  const positions = shapeOf(tensors, "visual.attnpool.positional_embedding", 2)[0]!;
  const count = (layer: number) => countBlocks(tensors, `visual.layer${layer}`);
  return {
    layers: [count(1), count(2), count(3), count(4)],
    width,
    embedDim: shapeOf(tensors, "visual.attnpool.c_proj.weight", 2)[0]!,
    heads: Math.max(1, Math.floor((width * 32) / 64)),
    gridSize: Math.round(Math.sqrt(positions - 1)),
  };
}

function countBlocks(tensors: Shapes, prefix: string): number {
  const blocks = new Set<number>();
  for (const name of tensors.keys()) {
    const block = name.startsWith(`${prefix}.`) ? Number.parseInt(name.slice(prefix.length + 1), 10) : Number.NaN;
    if (!Number.isNaN(block)) blocks.add(block);
  }
  return blocks.size;
}

function shapeOf(tensors: Shapes, name: string, rank: number): readonly number[] {
  const shape = tensors.get(name)?.shape;
  if (!shape || shape.length !== rank) {
    const found = shape ? `has shape [${shape}]` : "is missing";
    throw new VillaError(
      "Mismatch",
      `This is not a CLIP ResNet checkpoint: the tensor "${name}" ${found}. Expected OpenAI's RN50.pt or its state dict.`,
    );
  }
  return shape;
}

/** Torch shape (OIHW, [out, in]) of every tensor by its name in the checkpoint. */
export type ParameterShapes = Map<string, readonly number[]>;

/** One bottleneck block: its name and sizes. */
export interface BlockShape {
  readonly name: string;
  readonly inputs: number;
  /** Channels of the narrow convolutions; the block's output has four times as many. */
  readonly planes: number;
  readonly stride: 1 | 2;
  readonly downsample: boolean;
}

/** The blocks of layer1 … layer4 in order. */
export function blockShapes({ layers, width }: ModifiedResNetConfig): BlockShape[][] {
  let inputs = width;
  return layers.map((count, layer) => {
    const planes = width * 2 ** layer;
    return Array.from({ length: count }, (_, block) => {
      const stride = layer > 0 && block === 0 ? 2 : 1;
      const name = `visual.layer${layer + 1}.${block}`;
      const shape: BlockShape = { name, inputs, planes, stride, downsample: stride > 1 || inputs !== planes * 4 };
      inputs = planes * 4;
      return shape;
    });
  });
}

/** Everything that `visual.*` must hold. */
export function visionParameterShapes(config: ModifiedResNetConfig): ParameterShapes {
  checkArgument("config", config, resNetRule);

  const shapes: ParameterShapes = new Map();
  const conv = (name: string, out: number, inputs: number, size: number) =>
    shapes.set(`${name}.weight`, [out, inputs, size, size]);
  const norm = (name: string, channels: number) => {
    for (const part of ["weight", "bias", "running_mean", "running_var"]) shapes.set(`${name}.${part}`, [channels]);
  };
  const { width } = config;
  const stem = [3, width / 2, width / 2, width] as const;
  for (const i of [1, 2, 3] as const) {
    conv(`visual.conv${i}`, stem[i], stem[i - 1]!, 3);
    norm(`visual.bn${i}`, stem[i]);
  }
  for (const { name, inputs, planes, downsample } of blockShapes(config).flat()) {
    conv(`${name}.conv1`, planes, inputs, 1);
    norm(`${name}.bn1`, planes);
    conv(`${name}.conv2`, planes, planes, 3);
    norm(`${name}.bn2`, planes);
    conv(`${name}.conv3`, planes * 4, planes, 1);
    norm(`${name}.bn3`, planes * 4);
    if (downsample) {
      conv(`${name}.downsample.0`, planes * 4, inputs, 1);
      norm(`${name}.downsample.1`, planes * 4);
    }
  }
  const channels = width * 32;
  shapes.set("visual.attnpool.positional_embedding", [config.gridSize ** 2 + 1, channels]);
  for (const name of ["k_proj", "q_proj", "v_proj", "c_proj"]) {
    const out = name === "c_proj" ? config.embedDim : channels;
    shapes.set(`visual.attnpool.${name}.weight`, [out, channels]);
    shapes.set(`visual.attnpool.${name}.bias`, [out]);
  }
  return shapes;
}

/** Everything that the text side must hold. */
export function textParameterShapes(config: TextTransformerConfig): ParameterShapes {
  checkArgument("config", config, textTransformerRule);

  const { width, layers, contextLength, vocabularySize, embedDim } = config;
  const shapes: ParameterShapes = new Map();
  shapes.set("token_embedding.weight", [vocabularySize, width]);
  shapes.set("positional_embedding", [contextLength, width]);
  for (let layer = 0; layer < layers; layer++) {
    const block = `transformer.resblocks.${layer}`;
    shapes.set(`${block}.attn.in_proj_weight`, [3 * width, width]);
    shapes.set(`${block}.attn.in_proj_bias`, [3 * width]);
    shapes.set(`${block}.attn.out_proj.weight`, [width, width]);
    shapes.set(`${block}.attn.out_proj.bias`, [width]);
    for (const norm of ["ln_1", "ln_2"]) {
      shapes.set(`${block}.${norm}.weight`, [width]);
      shapes.set(`${block}.${norm}.bias`, [width]);
    }
    shapes.set(`${block}.mlp.c_fc.weight`, [4 * width, width]);
    shapes.set(`${block}.mlp.c_fc.bias`, [4 * width]);
    shapes.set(`${block}.mlp.c_proj.weight`, [width, 4 * width]);
    shapes.set(`${block}.mlp.c_proj.bias`, [width]);
  }
  shapes.set("ln_final.weight", [width]);
  shapes.set("ln_final.bias", [width]);
  shapes.set("text_projection", [width, embedDim]);
  return shapes;
}
