import { existsSync } from "node:fs";
import { join } from "node:path";
import type * as tf from "@tensorflow/tfjs-core";
import { restoreVariables } from "@villa/core";
import { loadCheckpoint } from "@villa/core/node";
import { VillaError } from "@villa/data";
import {
  type ClipModel,
  clipEncoder,
  initModifiedResNet,
  type ModifiedResNet,
  type ModifiedResNetConfig,
  pixelsEncoder,
} from "@villa/encoders";
import { loadClipFile } from "@villa/encoders/node";
import type { Stage2Config } from "../config.ts";
import type { SentenceEncoder } from "../text-embeddings.ts";

/** Both sides of Stage 2: the tower that is trained and the frozen text encoder. */
export interface VisionLanguageModel {
  readonly tower: ModifiedResNet;
  readonly encodeText: SentenceEncoder;
  readonly text: TextSide;
  /** Frees both sides. */
  dispose(): void;
}

/** How texts are embedded, as checkpoints remember it. */
export type TextSide =
  | { readonly kind: "clip"; readonly weights: string }
  | { readonly kind: "hashed"; readonly seed: number };

/** What a Stage 2 checkpoint holds beside the weights. */
export interface ModelDescription {
  readonly vision: ModifiedResNetConfig;
  readonly text: TextSide;
}

/**
 * The model that a configuration starts from.
 *
 * @throws VillaError `NotFound` when the weights are missing, `Mismatch` when they do not fit
 */
export async function initialModel(config: Stage2Config): Promise<VisionLanguageModel> {
  const { model, textEncoder, seed } = config;
  if (model.weights === null) {
    if (textEncoder === "clip") {
      throw new VillaError("InvalidArgument", "text_encoder=clip needs CLIP's weights; give model.weights=FILE.");
    }
    const { width, layers, embDim: embedDim } = model;
    return withHashedText(initModifiedResNet({ layers, width, embedDim, seed }), seed);
  }
  const clip = await loadClipFile(resolveWeights(model.weights, config.dataDir));
  const hasText = clip.config.text !== undefined;
  if (textEncoder === "clip" && !hasText) {
    throw new VillaError("Mismatch", `${model.weights} holds no text encoder; use text_encoder=hashed.`);
  }
  if (textEncoder === "hashed" || !hasText) return withHashedText(clip.visual, seed);
  return withClipText(clip.visual, clip, model.weights);
}

/**
 * Opens a trained model: a Stage 2 checkpoint, or CLIP weights as they are (zero-shot).
 *
 * @param options `weights`: where CLIP's weights are now, when the checkpoint's text side needs them
 */
export async function openModel(
  path: string,
  options: { weights?: string | undefined } = {},
): Promise<VisionLanguageModel> {
  if (!isCheckpoint(path)) {
    const clip = await loadClipFile(path);
    return clip.config.text ? withClipText(clip.visual, clip, path) : withHashedText(clip.visual, 23);
  }
  const { tensors, extra } = await loadCheckpoint(path);
  const description = extra?.model as ModelDescription | undefined;
  if (!description?.vision || !description.text) {
    throw new VillaError("InvalidFile", `${path} is a checkpoint, but not one of Stage 2.`);
  }
  const { layers, width, embedDim, heads } = description.vision;
  const tower = initModifiedResNet({ layers, width, embedDim, heads, seed: 0 });
  restoreVariables(tower.parameters as ReadonlyMap<string, tf.Variable>, tensors);
  if (description.text.kind === "hashed") return withHashedText(tower, description.text.seed);
  const weights = options.weights ?? description.text.weights;
  return withClipText(tower, await loadClipFile(weights), weights);
}

function withHashedText(tower: ModifiedResNet, seed: number): VisionLanguageModel {
  const encoder = pixelsEncoder({ dimension: tower.config.embedDim, seed });
  return {
    tower,
    encodeText: (sentences) => encoder.encodeText(sentences),
    text: { kind: "hashed", seed },
    dispose: () => {
      encoder.dispose();
      tower.dispose();
    },
  };
}

function withClipText(tower: ModifiedResNet, clip: ClipModel, weights: string): VisionLanguageModel {
  const encoder = clipEncoder(clip);
  if (encoder.dimension !== tower.config.embedDim) {
    throw new VillaError(
      "Mismatch",
      `${weights} embeds texts in ${encoder.dimension} dimensions, the image tower regions in ${tower.config.embedDim}.`,
    );
  }
  return {
    tower,
    encodeText: (sentences) => encoder.encodeText(sentences),
    text: { kind: "clip", weights },
    dispose: () => {
      if (tower !== clip.visual) tower.dispose();
      encoder.dispose();
    },
  };
}

const isCheckpoint = (path: string) => /(^|[\\/])(last|best)\.safetensors$/.test(path);

/** Weights are looked up as given, then in the dataset folder, where the original keeps clip.pth. */
function resolveWeights(path: string, dataDirectory: string): string {
  for (const candidate of [path, join(dataDirectory, path)]) if (existsSync(candidate)) return candidate;
  throw new VillaError(
    "NotFound",
    `There are no CLIP weights at ${path}; give model.weights=FILE (RN50.pt, clip.pth or safetensors), or train from random weights with experiment=docmnist_stage2_small.`,
  );
}
