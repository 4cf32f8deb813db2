import * as tf from "@tensorflow/tfjs-core";
import { frozenWeight, type GeluKind, type WeightStorage } from "@villa/core";
import { checkFinite, RandomState, VillaError } from "@villa/data";
import { checkNames } from "../check-weights.ts";
import type { EncoderFiles, TensorHeader, WeightSource } from "../files.ts";
import type { PictureInput } from "../regions/picture-input.ts";
import type { ImageFamily, LoadRequest, TowerConfig } from "../tower.ts";
import { towerEncoder } from "../tower-encoder.ts";
import { jointNames, namings, type VitConfig, type VitNames, vitParameterShapes } from "./config.ts";
import { readPictureInput } from "./picture-config.ts";
import { VisionTransformer } from "./vision-transformer.ts";

/** Vision transformers of CLIP, OpenCLIP, SigLIP and DINOv2; without files, one with random weights. */
export const vitFamily: ImageFamily = {
  storesHalves: true,
  async recognise(files) {
    const { weights } = files;
    const naming = weights && (Object.keys(namings) as VitConfig["naming"][]).find((name) => fits(name, weights));
    if (!naming) return undefined;
    const config = await readVitConfig(naming, files);
    return { ...config, input: await readPictureInput(files, config) };
  },
  async load({ files, config, trainable = false, seed = 0, ...options }) {
    if (!config) throw new VillaError("InvalidArgument", "A vision transformer needs files, or a configuration.");
    const sizes = { ...config, dense: options.dense ?? config.dense } as unknown as VitConfig;
    const input = withImageSize(sizes, options);
    const read = files?.weights ? checkedReader(files.weights, sizes) : randomReader(sizes, seed);
    const parameters = await parametersOf(sizes, read, trainable ? undefined : (options.storage ?? "float32"));
    const tower = new VisionTransformer(sizes, { parameters, input });
    const { naming, patchSize, layers, width, dense = "value" } = sizes;
    return towerEncoder(tower, {
      ...options,
      name: `vit-${naming}`,
      options: { patch: patchSize, layers, width, dense, imageSize: input.regions.size ?? 0 },
      // Images are all of one size: four of 224 × 224 at a time keep both cores busy.
      pixelsPerBatch: 4 * Math.max(224, input.regions.size ?? 0) ** 2,
      regionsPerBatch: 256,
    });
  },
};

/** Whether tensors have a family's patches, blocks and pool. */
function fits(naming: VitConfig["naming"], { tensors }: WeightSource): boolean {
  const names: VitNames = namings[naming];
  const { attention } = names.block(0);
  const query = typeof attention === "string" ? jointNames(attention)[0] : `${attention[0]}.weight`;
  const needed = [`${names.patch}.weight`, query, ...(names.pool ? [`${names.pool}.probe`] : [])];
  const token = names.classToken?.name;
  return needed.every((name) => tensors.has(name)) && (token === undefined || tensors.has(token));
}

/**
 * The sizes: from the tensors, and what tensors do not show (heads, activation, ε) from the configuration beside them, or
 * as the family has it: a head for 64 channels, OpenAI's QuickGELU where OpenAI's names come without a configuration.
 */
async function readVitConfig(naming: VitConfig["naming"], files: EncoderFiles): Promise<VitConfig> {
  const { tensors } = files.weights!;
  const names: VitNames = namings[naming];
  const shape = (name: string): readonly number[] => {
    const header: TensorHeader | undefined = tensors.get(name);
    if (header) return header.shape;
    throw new VillaError("Mismatch", `${files.label} has no "${name}", which its ${naming} vision transformer needs.`);
  };
  const [width, , patchSize] = shape(`${names.patch}.weight`) as [number, number, number, number];
  const positions = shape(names.positions.name).at(-2)! - (names.classToken ? 1 : 0);
  let layers = 0;
  while (tensors.has(`${names.block(layers).fc1}.weight`)) layers++;
  const { projection, registers } = names;
  const projected = projection && shape(projection.name);
  const config = await files.json("config.json");
  const vision = ((config?.vision_config as TowerConfig | undefined) ?? config ?? {}) as Record<string, unknown>;
  const openClip = (await files.json("open_clip_config.json")) as
    | { model_cfg?: { quick_gelu?: boolean; vision_cfg?: { head_width?: number; timm_pool?: string } } }
    | undefined;
  const pool = openClip?.model_cfg?.vision_cfg?.timm_pool ?? "avg"; // OpenCLIP's default
  if (naming === "open-clip-timm" && openClip?.model_cfg && pool !== "" && pool !== "token") {
    throw new VillaError(
      "Unsupported",
      `${files.label} pools timm's tokens by "${pool}"; supported are timm's towers that read the class token (timm_pool "" or "token").`,
    );
  }
  const headWidth = openClip?.model_cfg?.vision_cfg?.head_width ?? 64;
  const quick = openClip?.model_cfg ? (openClip.model_cfg.quick_gelu ?? false) : naming === "open-clip";
  const fallback = naming.startsWith("siglip") ? "gelu_tanh" : naming === "dinov2" || !quick ? "gelu" : "quick_gelu";
  return {
    naming,
    imageSize: Math.round(Math.sqrt(positions)) * patchSize,
    patchSize,
    width,
    layers,
    heads: numberOf(vision.num_attention_heads) ?? Math.max(1, Math.floor(width / headWidth)),
    hidden: shape(`${names.block(0).fc1}.weight`)[0]!,
    embedDim: projected ? projected[projection.transposed ? 1 : 0]! : width,
    activation: activationOf(vision.hidden_act, naming === "clip" ? "quick_gelu" : fallback, files.label),
    epsilon: numberOf(vision.layer_norm_eps) ?? (naming === "clip" || naming === "open-clip" ? 1e-5 : 1e-6),
    registers: registers && tensors.has(registers) ? shape(registers)[1]! : 0,
  };
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

function activationOf(name: unknown, fallback: GeluKind, label: string): GeluKind {
  const known: Readonly<Record<string, GeluKind>> = {
    gelu: "gelu",
    quick_gelu: "quick_gelu",
    gelu_pytorch_tanh: "gelu_tanh",
    gelu_new: "gelu_tanh",
  };
  if (typeof name !== "string") return fallback;
  const kind = known[name];
  if (kind) return kind;
  throw new VillaError(
    "Unsupported",
    `${label} has the activation "${name}"; known are ${Object.keys(known).join(", ")}.`,
  );
}

/** The tower's way with pictures, at another size if one is asked for. */
function withImageSize(sizes: VitConfig, { imageSize }: Pick<LoadRequest, "imageSize">): PictureInput {
  const input = sizes.input!;
  if (imageSize === undefined) return input;
  if (imageSize % sizes.patchSize !== 0) {
    throw new VillaError(
      "InvalidArgument",
      `The image size ${imageSize} is not a multiple of the patches' ${sizes.patchSize} pixels.`,
    );
  }
  return { ...input, regions: { ...input.regions, size: imageSize } };
}

type Reader = (name: string, shape: readonly number[]) => Promise<Float32Array>;

function checkedReader(weights: WeightSource, config: VitConfig): Reader {
  const { owns }: VitNames = namings[config.naming];
  const what = `a ${config.naming} vision transformer`;
  checkNames(weights.tensors, vitParameterShapes(config), { what, isExtra: (name) => !owns(name) });
  return async (name) => {
    const data = await weights.read(name);
    checkFinite(name, { dtype: "float32", data });
    return data;
  };
}

/** Normal values of deviation 0.02 as transformers start with; norms and scales 1, biases 0. */
function randomReader(config: VitConfig, seed: number): Reader {
  const random = new RandomState(seed);
  return async (name, shape) => {
    const values = new Float32Array(shape.reduce((product, side) => product * side, 1));
    if (name.endsWith("bias")) return values;
    const isNorm = shape.length === 1 && shape[0] === config.width && !name.endsWith("class_embedding");
    return isNorm ? values.fill(1) : values.map(() => random.normal() * 0.02);
  };
}

/**
 * One tensor at a time goes to the backend, so that a file of halves is never widened as a whole.
 *
 * @param storage of weights that are not trained; undefined makes variables
 */
async function parametersOf(
  config: VitConfig,
  read: Reader,
  storage: WeightStorage | undefined,
): Promise<Map<string, tf.Tensor>> {
  // Transposed in every pass, so that halves would save nothing.
  const patch = `${namings[config.naming].patch}.weight`;
  const parameters = new Map<string, tf.Tensor>();
  try {
    for (const [name, shape] of vitParameterShapes(config)) {
      const values = (await read(name, shape)).slice(); // some backends keep the array they are given
      const tensor = frozenWeight(values, shape, name === patch ? "float32" : storage);
      parameters.set(name, storage ? tf.keep(tensor) : tf.variable(tensor));
      if (!storage) tensor.dispose();
    }
    return parameters;
  } catch (error) {
    tf.dispose([...parameters.values()]);
    throw error;
  }
}
