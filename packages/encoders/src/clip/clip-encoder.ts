import type * as tf from "@tensorflow/tfjs-core";
import { requireHalves, type WeightStorage } from "@villa/core";
import { checkArgument, type TensorData, VillaError } from "@villa/data";
import type { Encoder } from "../encoder.ts";
import type { Regions } from "../regions/group-regions.ts";
import { ClipTokenizer } from "../tokenizer/tokenizer.ts";
import type { ImageEncoder, RegionOptions } from "../tower.ts";
import { towerEncoder } from "../tower-encoder.ts";
import { ModifiedResNet } from "./modified-resnet.ts";
import type { ClipConfig, ModifiedResNetConfig } from "./parameters.ts";
import { checkClipStateDict, visionVariables } from "./state-dict.ts";
import { TextTransformer } from "./text-transformer.ts";

/** CLIP with a ResNet: both towers and the tokenizer. */
export class ClipModel {
  readonly config: ClipConfig;
  readonly visual: ModifiedResNet;
  readonly #textTower: TextTransformer | undefined;
  readonly #tokenizer: ClipTokenizer;

  constructor(
    config: ClipConfig,
    towers: { readonly visual: ModifiedResNet; readonly text?: TextTransformer | undefined },
  ) {
    checkArgument("config", config, { vision: "object", "text?": "object" });
    checkArgument("towers", towers, {
      visual: {
        config: "object",
        input: "object",
        regionEmbeddings: "function",
        encodeImage: "function",
        dispose: "function",
      },
      "text?": { config: "object", encode: "function", dispose: "function" },
    });
    const { visual, text } = towers;

    this.config = config;
    this.visual = visual;
    this.#textTower = text;
    this.#tokenizer = new ClipTokenizer({ contextLength: config.text?.contextLength });
  }

  /** @throws VillaError `Mismatch` when the checkpoint holds only a vision tower */
  get text(): TextTransformer {
    if (!this.#textTower) {
      throw new VillaError("Mismatch", "These weights hold only CLIP's image tower; encoding text needs both towers.");
    }
    return this.#textTower;
  }

  /** @param images [B, s, s, 3], s = 224 for RN50 @returns [B, embedDim], not normalised */
  encodeImage(images: tf.Tensor4D): tf.Tensor2D {
    return this.visual.encodeImage(images);
  }

  /** @param images [B, h, w, 3] in 0 … 1, any size @returns [R, embedDim], not normalised */
  encodeRegions(images: tf.Tensor4D, regions: Regions): tf.Tensor2D {
    const features = this.visual.features(images);
    try {
      return this.visual.regionEmbeddings(features, regions);
    } finally {
      features.dispose();
    }
  }

  /** @returns [texts, embedDim], not normalised; longer texts are cut at the context length */
  encodeText(texts: readonly string[]): tf.Tensor2D {
    return this.text.encode(texts.map((text) => this.#tokenizer.encode(text)));
  }

  /** Frees the weights of both towers. */
  dispose(): void {
    this.visual.dispose();
    this.#textTower?.dispose();
  }
}

/** How CLIP is loaded. */
export interface LoadClipOptions {
  /** Attention heads of the text transformer, when not one per 64 channels. */
  readonly textHeads?: number | undefined;
  /** The model will not be trained: see {@link ModifiedResNet.forInference}. */
  readonly inference?: boolean | undefined;
  /** Takes only one tower's weights to the backend; the other one refuses to work. */
  readonly only?: "image" | "text" | undefined;
  /** How frozen weights lie on the backend: the text side's, and with `inference` the image's. Default `float32`. */
  readonly storage?: WeightStorage | undefined;
}

/**
 * Builds CLIP from a checkpoint's tensors, of any size, after checking them completely.
 *
 * @example const model = loadClip(loadStateDict(await readFile("RN50.pt")))
 * @throws VillaError `Mismatch` for weights of another model, `NotFinite`
 */
export function loadClip(stateDict: ReadonlyMap<string, TensorData>, options: LoadClipOptions = {}): ClipModel {
  checkArgument("stateDict", stateDict, "Map");
  checkArgument("options?", options, {
    "textHeads?": "number",
    "inference?": "boolean",
    "only?": "'image' | 'text'",
    "storage?": "'float32' | 'float16'",
  });

  const { inference = false, only, storage } = options;
  if (storage === "float16") {
    if (!inference && only !== "text") {
      throw new VillaError("InvalidArgument", "An image tower that is trained stays float32; float16 needs inference.");
    }
    requireHalves(); // before any weight is on the backend
  }
  const { config, tensors } = checkClipStateDict(stateDict, options);
  const visual = () =>
    inference
      ? ModifiedResNet.forInference(config.vision, tensors, { storage })
      : new ModifiedResNet(config.vision, visionVariables(tensors, config.vision));
  const empty = () => new ModifiedResNet(config.vision, new Map());
  const text = only === "image" ? undefined : config.text && new TextTransformer(config.text, tensors, { storage });
  return new ClipModel(config, { visual: only === "text" ? empty() : visual(), text });
}

/** How {@link clipEncoder} sees regions, and how much it computes at once. */
export interface ClipEncoderOptions extends Pick<RegionOptions, "regions" | "context"> {
  /** Pixels that run through the backbone at once; bounds memory. Default 8 images of 84 × 84. */
  readonly pixelsPerBatch?: number | undefined;
  /** Regions that run through layer4 at once, at most. Default 32. */
  readonly regionsPerBatch?: number | undefined;
  /**
   * Images of more pixels are refused: they run at their own size and need about 500 bytes a pixel. Default 4 million.
   */
  readonly largestImage?: number | undefined;
}

/** CLIP as an {@link Encoder}. Images go in as value / 255, without CLIP's mean and deviation, as in the original. */
export function clipEncoder(model: ClipModel, options: ClipEncoderOptions = {}): Encoder {
  checkArgument("model", model, {
    config: "object",
    visual: "object",
    encodeImage: "function",
    encodeText: "function",
    dispose: "function",
  });
  checkArgument("options?", options, {
    "pixelsPerBatch?": "number",
    "regionsPerBatch?": "number",
    "largestImage?": "number",
    "regions?": "'roi-align' | 'crop' | 'mask'",
    "context?": "number",
  });

  return {
    ...resNetEncoder(model.visual, options),
    encodeText: (texts) => encodeInBatches(model, texts),
    dispose: () => model.dispose(),
  };
}

/** CLIP's image side alone. */
export function resNetEncoder(tower: ModifiedResNet, options: ClipEncoderOptions = {}): ImageEncoder {
  const { layers, width } = tower.config;
  return towerEncoder(tower, {
    ...options,
    storage: tower.storage,
    name: isRn50(tower.config) ? "clip-rn50" : "clip-resnet",
    options: { layers: layers.join("-"), width },
  });
}

const isRn50 = ({ layers, width }: ModifiedResNetConfig): boolean => `${layers}` === "3,4,6,3" && width === 64;

const textsPerBatch = 64;

/** @returns [texts, embedDim], not normalised */
export async function encodeInBatches(model: ClipModel, texts: readonly string[]): Promise<Float32Array> {
  const { embedDim } = model.config.vision;
  const result = new Float32Array(texts.length * embedDim);
  for (let from = 0; from < texts.length; from += textsPerBatch) {
    const rows = model.encodeText(texts.slice(from, from + textsPerBatch));
    result.set((await rows.data()) as Float32Array, from * embedDim);
    rows.dispose();
  }
  return result;
}
