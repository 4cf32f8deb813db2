import type { GeluKind } from "@villa/core";
import { type TensorData, toFloat32, VillaError } from "@villa/data";
import type { PictureInput } from "../regions/picture-input.ts";
import type { Json } from "../text/settings.ts";
import { type BlockNames, jointNames, namings, type VitConfig, type VitNames } from "../vit/config.ts";

export type StateDict = ReadonlyMap<string, TensorData>;

/** An image tower by Hugging Face's names. */
export interface HuggingFaceVision {
  readonly kind: "clip" | "siglip" | "dinov2" | "dinov2_with_registers";
  /** With the naming that `weights` have. */
  readonly config: VitConfig;
  readonly weights: StateDict;
  /** `config.json` of the tower alone, `vision_config` of a pair. */
  readonly json: Json;
}

/** Names of activations in `config.json`. */
export const activationNames: Readonly<Record<GeluKind, string>> = {
  gelu: "gelu",
  gelu_tanh: "gelu_pytorch_tanh",
  quick_gelu: "quick_gelu",
};

/**
 * A vision transformer as `transformers` has it: OpenAI's and OpenCLIP's names become those of `CLIPModel`.
 *
 * @throws VillaError `Unsupported` for a tower that has no class there
 */
export function huggingFaceVision(config: VitConfig, weights: StateDict): HuggingFaceVision {
  const { naming, width, layers, heads, hidden, imageSize, patchSize, activation, epsilon, registers = 0 } = config;
  const sizes = {
    hidden_size: width,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    hidden_act: activationNames[activation],
    layer_norm_eps: epsilon,
    image_size: imageSize,
    patch_size: patchSize,
    num_channels: 3,
  };
  switch (naming) {
    case "clip":
    case "open-clip": {
      const json = {
        ...sizes,
        model_type: "clip_vision_model",
        intermediate_size: hidden,
        projection_dim: config.embedDim,
      };
      const own = naming === "clip" ? weights : renamed(weights, config);
      return { kind: "clip", config: { ...config, naming: "clip" }, weights: own, json };
    }
    case "siglip":
    case "siglip-vision": {
      const json = { ...sizes, model_type: "siglip_vision_model", intermediate_size: hidden };
      const own =
        naming === "siglip" ? weights : new Map([...weights].map(([name, each]) => [`vision_model.${name}`, each]));
      return { kind: "siglip", config: { ...config, naming: "siglip" }, weights: own, json };
    }
    case "dinov2": {
      const kind = registers > 0 ? "dinov2_with_registers" : "dinov2";
      const own = { mlp_ratio: hidden / width, num_register_tokens: registers > 0 ? registers : undefined };
      // The mask token of DINOv2's own training: the class in `transformers` has it, nothing here uses it.
      const mask: TensorData = { dtype: "float32", shape: [1, width], data: new Float32Array(width) };
      return {
        kind,
        config,
        weights: new Map([...weights, ["embeddings.mask_token", mask]]),
        json: { ...sizes, model_type: kind, ...own },
      };
    }
    case "open-clip-timm":
      throw new VillaError(
        "Unsupported",
        "OpenCLIP's towers from timm have no class in transformers; export the image side as .onnx or .pth.",
      );
  }
}

/** OpenAI's names to those of `CLIPModel`. Joint matrices of query, key and value are cut into three. */
function renamed(weights: StateDict, config: VitConfig): StateDict {
  const [from, to]: VitNames[] = [namings["open-clip"], namings.clip];
  const result = new Map<string, TensorData>();
  const move = (name: string, target: string) => result.set(target, tensorOf(weights, name));
  const moveLayer = (name: string, target: string) => {
    for (const part of ["weight", "bias"]) move(`${name}.${part}`, `${target}.${part}`);
  };
  move(`${from!.patch}.weight`, `${to!.patch}.weight`);
  move(from!.positions.name, to!.positions.name);
  move(from!.classToken!.name, to!.classToken!.name);
  moveLayer(from!.normBefore!, to!.normBefore!);
  moveLayer(from!.normAfter, to!.normAfter);
  result.set(to!.projection!.name, transposed(tensorOf(weights, from!.projection!.name)));
  for (let layer = 0; layer < config.layers; layer++) {
    const [own, target]: BlockNames[] = [from!.block(layer), to!.block(layer)];
    for (const part of ["norm1", "norm2", "out", "fc1", "fc2"] as const) moveLayer(own![part], target![part]);
    splitJoint(weights, {
      joint: jointNames(own!.attention as string),
      names: target!.attention as readonly string[],
      into: result,
    });
  }
  return result;
}

/** Query, key and value out of their joint matrix and bias, each under its own name. */
export function splitJoint(
  weights: StateDict,
  {
    joint: [weight, bias],
    names,
    into,
  }: {
    readonly joint: readonly [string, string];
    readonly names: readonly string[];
    readonly into: Map<string, TensorData>;
  },
): void {
  for (const [part, joint] of [
    ["weight", weight],
    ["bias", bias],
  ] as const) {
    // biome-ignore format: one thought
    const { shape } = tensorOf(weights, joint);
    const values = toFloat32(tensorOf(weights, joint));
    const length = values.length / names.length;
    names.forEach((name, index) => {
      const data = values.slice(index * length, (index + 1) * length);
      into.set(`${name}.${part}`, { dtype: "float32", shape: [shape[0]! / names.length, ...shape.slice(1)], data });
    });
  }
}

/** [rows, columns] → [columns, rows] */
export function transposed(tensor: TensorData): TensorData {
  const [rows, columns] = tensor.shape as [number, number];
  const values = toFloat32(tensor);
  const data = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) data[column * rows + row] = values[row * columns + column]!;
  }
  return { dtype: "float32", shape: [columns, rows], data };
}

export function tensorOf(weights: StateDict, name: string): TensorData {
  const tensor = weights.get(name);
  if (tensor) return tensor;
  throw new VillaError("Mismatch", `The weight "${name}" is missing; it cannot be exported.`);
}

const processors = {
  clip: "CLIPImageProcessor",
  siglip: "SiglipImageProcessor",
  dinov2: "BitImageProcessor",
  dinov2_with_registers: "BitImageProcessor",
} as const;

/** `preprocessor_config.json`: how whole pictures become images. */
export function preprocessorConfig({ whole, resample }: PictureInput, kind: HuggingFaceVision["kind"]): Json {
  const pair = ([width, height]: readonly [number, number]) => ({ height, width });
  const { resize, crop, mean, deviation } = whole;
  return {
    image_processor_type: processors[kind],
    do_convert_rgb: true,
    do_resize: true,
    size: typeof resize === "number" ? { shortest_edge: resize } : pair(resize),
    resample: resample === "bilinear" ? 2 : 3,
    do_center_crop: kind === "siglip" ? undefined : crop !== undefined,
    crop_size: crop && pair(crop),
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: mean,
    image_std: deviation,
  };
}
