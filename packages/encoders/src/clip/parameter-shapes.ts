import type { ModifiedResNetConfig, TextTransformerConfig } from "./config.ts";

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
