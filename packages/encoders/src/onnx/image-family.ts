import * as tf from "@tensorflow/tfjs-core";
import { VillaError } from "@villa/data";
import type { EncoderFiles } from "../files.ts";
import type { Regions } from "../regions/group-regions.ts";
import { alignPatches, averagePatches } from "../regions/patch-regions.ts";
import type { PictureInput } from "../regions/picture-input.ts";
import type { ImageFamily } from "../tower.ts";
import { type FrozenTower, towerEncoder } from "../tower-encoder.ts";
import { type PictureFamily, readPictureConfig, readPictureInput } from "../vit/picture-config.ts";
import { findOnnxFile, type OnnxModel, type OnnxOutput, onnxLabel } from "./runtime.ts";

/** What a folder says about its ONNX image model. */
interface OnnxImageConfig {
  /** Its file in the folder. */
  readonly file: string;
  /** `model_type` of config.json. */
  readonly type: string;
}

/**
 * Any image encoder as ONNX, in a folder as transformers.js's models have it: `onnx/vision_model.onnx`, or
 * `onnx/model.onnx` of a model that has images alone. It is frozen.
 */
export const onnxImageFamily: ImageFamily = {
  async recognise(files) {
    const file = await findImageModel(files);
    if (file === undefined) return undefined;
    const config = (await files.json("config.json")) ?? {};
    return { file, type: typeof config.model_type === "string" ? config.model_type : "model" };
  },
  async load({ files, config, trainable = false, ...options }) {
    if (!files?.onnx || !config) throw new VillaError("InvalidArgument", "An ONNX encoder needs a model's folder.");
    if (trainable) {
      throw new VillaError(
        "Unsupported",
        `${files.label} holds its image encoder as ONNX, which cannot be trained; give a folder with the model's own weights (model.safetensors).`,
      );
    }
    const { file, type } = config as unknown as OnnxImageConfig;
    const label = onnxLabel(files, file);
    const model = await files.onnx.open(file);
    try {
      const input = await readInput(files, model, type, options.imageSize);
      const tower = await OnnxTower.open(model, input, label);
      return towerEncoder(tower, {
        ...options,
        name: `onnx-${type}`,
        options: { model: file, imageSize: input.regions.size! },
        pixelsPerBatch: tower.imagesAtOnce * input.regions.size! ** 2,
        regionsPerBatch: 256,
      });
    } catch (error) {
      model.dispose();
      throw error;
    }
  },
};

/** Where a folder has a single model, its other files tell whether that takes images. */
async function findImageModel(files: EncoderFiles): Promise<string | undefined> {
  const names = files.onnx?.names ?? [];
  const vision = findOnnxFile(names, "vision_model");
  if (vision !== undefined) return vision;
  return (await readPictureConfig(files)) ? findOnnxFile(names, "model") : undefined;
}

type Json = Readonly<Record<string, unknown>>;

/** Pixel statistics where a folder has no preprocessor_config.json. */
const families: Readonly<Record<string, PictureFamily>> = { clip: "clip", siglip: "siglip", siglip2: "siglip" };

/** The side is what the model demands, else what its pictures are scaled to, else what its configuration says. */
async function readInput(
  files: EncoderFiles,
  { inputs }: OnnxModel,
  type: string,
  imageSize: number | undefined,
): Promise<PictureInput> {
  const config = (await files.json("config.json")) ?? {};
  const vision = (config.vision_config ?? config) as Json;
  const pictures = (await readPictureConfig(files)) ?? {};
  const crop = pictures.do_center_crop === false ? undefined : sideOf(pictures.crop_size);
  const side = sideOf(inputs[0]?.shape?.[2]) ?? crop ?? sideOf(pictures.size) ?? sideOf(vision.image_size) ?? 224;
  const patchSize = sideOf(vision.patch_size) ?? 1;
  const input = await readPictureInput(files, { naming: families[type] ?? "dinov2", imageSize: side, patchSize });
  return imageSize === undefined ? input : { ...input, regions: { ...input.regions, size: imageSize } };
}

function sideOf(size: unknown): number | undefined {
  if (typeof size === "number" && Number.isInteger(size) && size > 0) return size;
  const { height, shortest_edge: shortest } = (size ?? {}) as Json;
  return typeof height === "number" ? height : typeof shortest === "number" ? shortest : undefined;
}

/** Names under which exporters put the vector of a whole image. */
const pooledNames = ["image_embeds", "pooler_output", "sentence_embedding", "embeddings"];
/** Names under which they put the tokens of its patches. */
const patchNames = ["patch_embeds", "last_hidden_state"];

/** An ONNX model as a tower: pixels in, a vector and patch tokens out. */
class OnnxTower implements FrozenTower {
  readonly embedDim: number;
  readonly input: PictureInput;
  /** How many images it takes at a time. */
  readonly imagesAtOnce: number;
  readonly #model: OnnxModel;
  readonly #label: string;
  readonly #pooled: string | undefined;
  readonly #patches: string | undefined;
  readonly #outputs: string;

  /** Looks at what comes out for a black image: exporters do not agree on names and rarely declare shapes. */
  static async open(model: OnnxModel, input: PictureInput, label: string): Promise<OnnxTower> {
    const [pixels, ...others] = model.inputs;
    if (!pixels || others.length > 0 || (pixels.type !== undefined && pixels.type !== "float32")) {
      const given = model.inputs.map(({ name, type }) => `${name} (${type})`).join(", ");
      throw new VillaError(
        "Unsupported",
        `${label} takes ${given}; an image model must take one input, pixels of float32. Export vision and text apart, with float32 inputs.`,
      );
    }
    const side = input.regions.size!;
    const black = { data: new Float32Array(3 * side * side), shape: [1, 3, side, side] };
    return new OnnxTower(model, input, label, await model.run({ [pixels.name]: black }));
  }

  private constructor(model: OnnxModel, input: PictureInput, label: string, outputs: ReadonlyMap<string, OnnxOutput>) {
    this.#model = model;
    this.#label = label;
    this.input = input;
    const batch = model.inputs[0]!.shape?.[0];
    this.imagesAtOnce = typeof batch === "number" && batch > 0 ? batch : 4;
    this.#outputs = [...outputs].map(([name, { shape }]) => `${name} [${shape.join(", ")}]`).join(", ");
    this.#pooled = pick(outputs, pooledNames, [2]);
    this.#patches = pick(outputs, patchNames, [3, 4]);
    if (this.#pooled === undefined && this.#patches === undefined) {
      throw new VillaError("Unsupported", `${label} gives neither vectors nor patch tokens, but ${this.#outputs}.`);
    }
    const { shape } = outputs.get((this.#pooled ?? this.#patches)!)!;
    this.embedDim = shape.length === 4 ? shape[1]! : shape.at(-1)!;
  }

  async features(images: tf.Tensor4D): Promise<tf.Tensor4D> {
    const name = this.#patches;
    if (name === undefined) {
      throw new VillaError(
        "Unsupported",
        `${this.#label} gives no patch tokens that regions could be cut from, only ${this.#outputs}; use crop.`,
      );
    }
    const map = patchMap(await this.#run(images, name));
    if (map.shape[3] === this.embedDim) return map;
    map.dispose();
    throw new VillaError(
      "Unsupported",
      `${this.#label} gives patch tokens that are not in the space of its vectors (${this.#outputs}); use crop.`,
    );
  }

  regionEmbeddings(features: tf.Tensor4D, regions: Regions): tf.Tensor2D {
    return alignPatches(features, regions);
  }

  maskEmbeddings(features: tf.Tensor4D, regions: Regions): tf.Tensor2D {
    return averagePatches(features, regions);
  }

  /** The model's own vector; without one the class token, and without that the mean of the patches. */
  async imageEmbeddings(images: tf.Tensor4D): Promise<tf.Tensor2D> {
    const { shape, data } = await this.#run(images, (this.#pooled ?? this.#patches)!);
    if (shape.length === 2) return tf.tensor2d(data, [shape[0]!, shape[1]!]);
    return tf.tidy(() => {
      if (shape.length === 4) return tf.mean(tf.tensor4d(data, shape as [number, number, number, number]), [2, 3]);
      const [batch, tokens, width] = shape as [number, number, number];
      const all = tf.tensor3d(data, [batch, tokens, width]);
      if (specialTokens(tokens) === 0) return tf.mean(all, 1);
      return tf.reshape(tf.slice(all, [0, 0, 0], [batch, 1, width]), [batch, width]);
    });
  }

  dispose(): void {
    this.#model.dispose();
  }

  async #run(images: tf.Tensor4D, output: string): Promise<OnnxOutput> {
    const [batch, height, width] = images.shape;
    const planes = tf.transpose(images, [0, 3, 1, 2]); // NHWC -> NCHW
    const data = ((await planes.data()) as Float32Array).slice();
    planes.dispose();
    const atOnce = this.imagesAtOnce;
    const parts: OnnxOutput[] = [];
    // Models with a fixed batch get it full, the last one filled up with black images.
    const isFixed = typeof this.#model.inputs[0]!.shape?.[0] === "number";
    for (let from = 0; from < batch; from += atOnce) {
      const count = isFixed ? atOnce : Math.min(atOnce, batch - from);
      const size = 3 * height * width;
      const part = new Float32Array(count * size);
      part.set(data.subarray(from * size, Math.min(batch, from + count) * size));
      const outputs = await this.#model.run({
        [this.#model.inputs[0]!.name]: { data: part, shape: [count, 3, height, width] },
      });
      parts.push(outputs.get(output)!);
    }
    const [, ...sides] = parts[0]!.shape;
    const length = batch * sides.reduce((product, side) => product * side, 1);
    const joined = new Float32Array(length);
    let at = 0;
    for (const { data } of parts) {
      joined.set(data.subarray(0, length - at), at);
      at += data.length;
    }
    return { data: joined, shape: [batch, ...sides] };
  }
}

/** The output of a known name, else the only one with a fitting number of sides. */
function pick(
  outputs: ReadonlyMap<string, OnnxOutput>,
  names: readonly string[],
  ranks: readonly number[],
): string | undefined {
  const fitting = [...outputs].flatMap(([name, { shape }]) => (ranks.includes(shape.length) ? [name] : []));
  return names.find((name) => fitting.includes(name)) ?? (fitting.length === 1 ? fitting[0] : undefined);
}

/** Class token and registers: what is more than a square of patches. */
function specialTokens(tokens: number): number {
  return tokens - Math.floor(Math.sqrt(tokens)) ** 2;
}

/** [B, tokens, C] of a square image or [B, C, rows, columns] → [B, rows, columns, C] */
function patchMap({ data, shape }: OnnxOutput): tf.Tensor4D {
  return tf.tidy(() => {
    if (shape.length === 4) {
      return tf.transpose(tf.tensor4d(data, shape as [number, number, number, number]), [0, 2, 3, 1]);
    }
    const [batch, tokens, width] = shape as [number, number, number];
    const special = specialTokens(tokens);
    const side = Math.sqrt(tokens - special);
    const patches = tf.slice(tf.tensor3d(data, [batch, tokens, width]), [0, special, 0], [-1, -1, -1]);
    return tf.reshape(patches, [batch, side, side, width]);
  });
}
