import { checkArgument, RandomState, type TensorData, VillaError } from "@villa/data";
import type { EncoderFiles, WeightSource } from "../files.ts";
import type { ImageFamily, TextFamily, TowerConfig } from "../tower.ts";
import { encodeInBatches, loadClip, resNetEncoder } from "./clip-encoder.ts";
import { ModifiedResNet, smallestImage } from "./modified-resnet.ts";
import { type ModifiedResNetConfig, visionParameterShapes, type WeightArray } from "./parameters.ts";
import { visionVariables } from "./state-dict.ts";

/** CLIP's ResNets by OpenAI's or OpenCLIP's names; without files, one with random weights. */
export const clipResNetFamily: ImageFamily = {
  storesHalves: true,
  async recognise({ weights }) {
    const names = [...(weights?.tensors.keys() ?? [])];
    return names.some((name) => /(?:^|\.)attnpool\.c_proj\.weight$/.test(name)) ? {} : undefined;
  },
  async load({ files, config, trainable = false, seed = 0, dimension, storage, ...regions }) {
    if (files) {
      const clip = loadClip(await imageTensorsOf(files), { inference: !trainable, only: "image", storage });
      return resNetEncoder(clip.visual, regions);
    }
    const sizes: TowerConfig = { layers: [3, 4, 6, 3], width: 64, embedDim: dimension ?? 1024, seed, ...config };
    return resNetEncoder(initModifiedResNet(sizes as unknown as InitOptions), regions);
  },
};

/** The text transformer beside a CLIP ResNet, in the same file. */
export const clipTextFamily: TextFamily = {
  storesHalves: true,
  async recognise(files) {
    const names = [...(files.weights?.tensors.keys() ?? [])];
    const hasText = names.some((name) => /(?:^|\.)token_embedding\.weight$/.test(name));
    return hasText && (await clipResNetFamily.recognise(files)) ? {} : undefined;
  },
  async load({ files, storage }) {
    if (!files) throw new VillaError("InvalidArgument", "CLIP's text encoder needs weights; name a file or a folder.");
    const clip = loadClip(await tensorsOf(files), { only: "text", storage });
    return {
      description: { family: "clip", config: { ...clip.text.config } },
      embedDim: clip.text.config.embedDim,
      encodeText: (texts) => encodeInBatches(clip, texts),
      dispose: () => clip.dispose(),
    };
  },
};

function tensorsOf(files: EncoderFiles) {
  return weightsOf(files).all();
}

/** The image tower's tensors alone: RN50's text transformer makes up more than half of the file. */
async function imageTensorsOf(files: EncoderFiles): Promise<Map<string, TensorData>> {
  const weights = weightsOf(files);
  const tensors = new Map<string, TensorData>();
  for (const [name, { shape }] of weights.tensors) {
    if (!/(?:^|\.)visual\./.test(name) || name.endsWith("num_batches_tracked")) continue;
    tensors.set(name, { dtype: "float32", shape: [...shape], data: await weights.read(name) });
  }
  return tensors;
}

function weightsOf({ weights, label }: EncoderFiles): WeightSource {
  if (weights) return weights;
  throw new VillaError("NotFound", `${label} holds no weights.`);
}

/** Sizes and starting weights of a new tower. */
export interface InitOptions {
  /** Blocks of layer1 … layer4. RN50: [3, 4, 6, 3]. */
  readonly layers: readonly [number, number, number, number];
  /** RN50: 64. Even, at least 2. */
  readonly width: number;
  /** RN50: 1024. */
  readonly embedDim: number;
  readonly seed: number;
  /** Default: one per 64 channels of the attention pool, at least one. */
  readonly heads?: number | undefined;
  /**
   * `torch`: the layers' own defaults (Kaiming uniform; BatchNorm 1 and 0). `clip`: CLIP's scheme on top of them, which
   * starts every residual branch at zero and draws the attention pool's projections narrower. Default `torch`.
   */
  readonly scheme?: "torch" | "clip" | undefined;
  /** As {@link ModifiedResNetConfig.cropSide}; at least 16. */
  readonly cropSide?: number | undefined;
}

/** A ModifiedResNet of any size with random weights drawn from `seed`, ready to train. */
export function initModifiedResNet(options: InitOptions): ModifiedResNet {
  checkArgument("options", options, {
    layers: "numbers",
    width: "count",
    embedDim: "number",
    seed: "number",
    "heads?": "count",
    "scheme?": "'torch' | 'clip'",
    "cropSide?": "count",
  });

  const { layers, width, embedDim, seed, scheme = "torch", cropSide } = options;
  const heads = options.heads ?? Math.max(1, Math.floor((width * 32) / 64));
  const whole = [...layers, width, embedDim, heads].every((size) => Number.isInteger(size) && size > 0);
  if (!whole || width % 2 !== 0 || (width * 32) % heads !== 0) {
    throw new VillaError(
      "InvalidArgument",
      `A ModifiedResNet needs whole sizes, an even width and heads that divide 32 × width; got layers ${layers}, width ${width}, embedDim ${embedDim}, heads ${heads}.`,
    );
  }
  if (cropSide !== undefined && cropSide < smallestImage) {
    throw new VillaError("InvalidArgument", `Crops need sides of at least ${smallestImage} pixels, not ${cropSide}.`);
  }
  const config: ModifiedResNetConfig = { layers, width, embedDim, heads, gridSize: 7, cropSide };
  const random = new RandomState(seed);
  const weights = new Map<string, WeightArray>();
  for (const [name, shape] of visionParameterShapes(config)) {
    weights.set(name, { shape, data: initialValues(name, shape, scheme, width * 32, random) });
  }
  return new ModifiedResNet(config, visionVariables(weights, config));
}

function initialValues(
  name: string,
  shape: readonly number[],
  scheme: "torch" | "clip",
  channels: number,
  random: RandomState,
): Float32Array {
  const count = shape.reduce((product, side) => product * side, 1);
  const constant = (value: number) => new Float32Array(count).fill(value);
  const uniform = (bound: number) =>
    Float32Array.from({ length: count }, () => (random.randomSample() * 2 - 1) * bound);
  const normal = (deviation: number) => Float32Array.from({ length: count }, () => random.normal() * deviation);
  if (name.endsWith("running_mean")) return constant(0);
  if (name.endsWith("running_var")) return constant(1);
  if (name.endsWith("positional_embedding")) return normal(channels ** -0.5);
  if (name.includes("attnpool")) {
    // The inputs of all four projections have `channels` features, which sets torch's bound for weights and biases.
    return scheme === "clip" && name.endsWith("weight") ? normal(channels ** -0.5) : uniform(channels ** -0.5);
  }
  if (shape.length === 4) return uniform((shape[1]! * shape[2]! * shape[3]!) ** -0.5);
  if (name.endsWith("bias")) return constant(0);
  return constant(scheme === "clip" && name.endsWith("bn3.weight") && name.includes("layer") ? 0 : 1);
}
