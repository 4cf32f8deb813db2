import type * as tf from "@tensorflow/tfjs-core";
import { type TensorData, VillaError } from "@villa/data";
import type { Regions } from "../regions/group-regions.ts";
import { ClipTokenizer } from "../tokenizer/tokenizer.ts";
import type { ClipConfig } from "./config.ts";
import { ModifiedResNet } from "./modified-resnet.ts";
import { visionVariables } from "./parameters.ts";
import { checkClipStateDict } from "./state-dict.ts";
import { TextTransformer } from "./text-transformer.ts";

/** CLIP with a ResNet: both towers and the tokenizer. */
export class ClipModel {
  readonly config: ClipConfig;
  readonly visual: ModifiedResNet;
  private readonly textTower: TextTransformer | undefined;
  private readonly tokenizer: ClipTokenizer;

  constructor(config: ClipConfig, visual: ModifiedResNet, text: TextTransformer | undefined) {
    this.config = config;
    this.visual = visual;
    this.textTower = text;
    this.tokenizer = new ClipTokenizer(config.text ? { contextLength: config.text.contextLength } : {});
  }

  /** @throws VillaError `Mismatch` when the checkpoint holds only a vision tower */
  get text(): TextTransformer {
    if (!this.textTower) {
      throw new VillaError("Mismatch", "These weights hold only CLIP's image tower; encoding text needs both towers.");
    }
    return this.textTower;
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
    return this.text.encode(texts.map((text) => this.tokenizer.encode(text)));
  }

  /** Frees the weights of both towers. */
  dispose(): void {
    this.visual.dispose();
    this.textTower?.dispose();
  }
}

/** How CLIP is loaded. */
export interface LoadClipOptions {
  /** Attention heads of the text transformer, when not one per 64 channels. */
  readonly textHeads?: number | undefined;
  /** The model will not be trained: see {@link ModifiedResNet.forInference}. */
  readonly inference?: boolean | undefined;
}

/**
 * Builds CLIP from a checkpoint's tensors, of any size, after checking them completely.
 *
 * @example const model = loadClip(loadStateDict(await readFile("RN50.pt")))
 * @throws VillaError `Mismatch`, `NotFinite`; see {@link checkClipStateDict}
 */
export function loadClip(
  stateDict: ReadonlyMap<string, TensorData>,
  options: { textHeads?: number | undefined } = {},
): ClipModel {
  const { config, tensors } = checkClipStateDict(stateDict, options);
  const visual = new ModifiedResNet(config.vision, visionVariables(tensors, config.vision));
  return new ClipModel(config, visual, config.text && new TextTransformer(config.text, tensors));
}
