import { type TensorData, VillaError } from "@villa/data";

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

type Shapes = ReadonlyMap<string, Pick<TensorData, "shape">>;

/**
 * Reads the sizes off a checkpoint's tensors.
 *
 * @param options `textHeads`: the one size that no tensor shows; CLIP has one head per 64 channels
 * @throws VillaError `Mismatch` when a tensor that tells a size is missing
 */
export function readClipConfig(tensors: Shapes, { textHeads }: { textHeads?: number | undefined } = {}): ClipConfig {
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
