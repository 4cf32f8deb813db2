import { existsSync } from "node:fs";
import { join } from "node:path";
import { checkArgument, type ProgressListener, VillaError } from "@villa/data";
import {
  type ImageEncoder,
  type ImageTower,
  loadImageEncoder,
  type RegionOptions,
  type TextTower,
  type TowerDescription,
} from "@villa/encoders";
import { type ModelDescription, openEncoder, openTextTower, type TextSide } from "@villa/encoders/node";
import type { Stage2Config } from "../config.ts";
import type { SentenceEncoder } from "../text-embeddings.ts";

/** Both sides of Stage 2: the image side, which is trained, and the frozen text encoder. */
export interface VisionLanguageModel {
  readonly image: ImageEncoder;
  readonly encodeText: SentenceEncoder;
  /** What encodes texts. */
  readonly text: TowerDescription;
  /** Frees both sides. */
  dispose(): void;
}

/** A model that can be trained. */
export interface TrainableModel extends VisionLanguageModel {
  readonly tower: ImageTower;
  /** For checkpoints. */
  readonly description: ModelDescription;
}

/** How a model that may have to be downloaded is opened. */
export interface OpenModelOptions {
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The model that a configuration starts from; one on the hub is downloaded first.
 *
 * @throws VillaError `NotFound` when the weights are missing, `Mismatch` when they do not fit, `Aborted`
 */
export async function initialModel(config: Stage2Config, hub: OpenModelOptions = {}): Promise<TrainableModel> {
  const { model, textEncoder, seed } = config;
  if (model.encoder === null && model.weights === null) {
    if (textEncoder !== "auto" && textEncoder !== "hashed") {
      throw new VillaError(
        "InvalidArgument",
        `text_encoder=${textEncoder} needs an image encoder that it fits; give model.weights=FILE or model.encoder=FOLDER.`,
      );
    }
    const { width, layers, embDim: embedDim, cropSide } = model;
    const image = await loadImageEncoder({
      family: "clip-resnet",
      config: { width, layers, embedDim, cropSide: cropSide ?? undefined },
      seed,
      trainable: true,
      regions: model.regions,
    });
    return trainable(image, await openTextTower("hashed", { dimension: embedDim, seed }), undefined);
  }
  const path = model.encoder ?? resolveWeights(model.weights!, config.dataDir);
  const { image, text, textSide } = await openEncoder(path, {
    trainable: true,
    textEncoder,
    seed,
    regions: model.regions,
    ...hub,
  });
  if (text) return trainable(image, text, textSide);
  return trainable(image, await openTextTower("hashed", { dimension: image.dimension, seed }), undefined);
}

/**
 * Opens a trained model: a Stage 2 checkpoint, or an encoder as it is (zero-shot), whatever the file is called.
 *
 * @param options `weights`: where the text side's weights are now, when the checkpoint needs them; `regions`: how regions
 *   are embedded, default as the checkpoint was trained, or `roi-align` for an encoder as it is
 */
export async function openModel(
  path: string,
  options: OpenModelOptions & Pick<RegionOptions, "regions"> & { readonly weights?: string | undefined } = {},
): Promise<VisionLanguageModel> {
  checkArgument("path", path, "text");
  checkArgument("options?", options, {
    "weights?": "text",
    "regions?": "'roi-align' | 'crop' | 'mask'",
    "onProgress?": "function",
    "signal?": "object",
  });
  const { weights, regions, ...hub } = options;

  const { image, text } = await openEncoder(path, { textWeights: weights, regions, ...hub });
  return joined(image, text ?? (await openTextTower("hashed", { dimension: image.dimension })));
}

/** How an encoder embeds regions; undefined for one that knows a single way. */
export function regionsOf({ image }: { readonly image: Pick<ImageEncoder, "options"> }): RegionOptions["regions"] {
  const { regions } = image.options;
  return regions === "roi-align" || regions === "crop" || regions === "mask" ? regions : undefined;
}

function joined(image: ImageEncoder, text: TextTower): VisionLanguageModel {
  if (image.dimension !== text.embedDim) {
    image.dispose();
    text.dispose();
    throw new VillaError(
      "Mismatch",
      `The text encoder embeds texts in ${text.embedDim} dimensions, the image encoder regions in ${image.dimension}; use text_encoder=hashed.`,
    );
  }
  return {
    image,
    encodeText: (sentences) => text.encodeText(sentences),
    text: text.description,
    dispose: () => {
      image.dispose();
      text.dispose();
    },
  };
}

function trainable(image: ImageEncoder, text: TextTower, side: TextSide | undefined): TrainableModel {
  const model = joined(image, text);
  const { tower } = image;
  if (tower && tower.trainableVariables().size > 0) {
    // Boxes are the rule, which checkpoints of earlier versions do not mention.
    const regions = image.options.regions === "mask" ? "mask" : undefined;
    return { ...model, tower, description: { image: tower.description, text: side ?? text.description, regions } };
  }
  model.dispose();
  throw new VillaError("InvalidArgument", `The encoder ${image.name} cannot be trained.`);
}

/** Weights are looked up as given, then in the dataset folder, where the original keeps clip.pth. */
function resolveWeights(path: string, dataDir: string): string {
  for (const candidate of [path, join(dataDir, path)]) if (existsSync(candidate)) return candidate;
  throw new VillaError(
    "NotFound",
    `There are no CLIP weights at ${path}; give model.weights=FILE (RN50.pt, clip.pth or safetensors), or train from random weights with experiment=docmnist_stage2_small.`,
  );
}
