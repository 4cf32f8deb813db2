import { createHash } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import type * as tf from "@tensorflow/tfjs-core";
import { restoreVariables } from "@villa/core";
import { loadCheckpoint } from "@villa/core/node";
import { checkArgument, openSafetensors, type ProgressListener, VillaError } from "@villa/data";
import { fileSource } from "@villa/data/node";
import { type EncoderFiles, encoderFilesRule } from "../files.ts";
import { findOnnxFile } from "../onnx/runtime.ts";
import { imageTowers, loadImageEncoder, loadTextTower, recogniseFamily, textTowers } from "../registry.ts";
import type { ImageEncoder, LoadRequest, RegionOptions, TextTower, TowerDescription } from "../tower.ts";
import { weightFiles } from "../weight-folder.ts";
import { openEncoderFiles } from "./encoder-files.ts";
import type { DownloadModelOptions } from "./hub.ts";
import { isSafetensorsFile, shardFiles } from "./open-weights.ts";
import { downloadClipWeights, hashWeights } from "./weights.ts";

/** How {@link openEncoder} loads. */
export interface OpenEncoderOptions extends RegionOptions {
  /**
   * The text side: `auto` (default) takes the one in the same files, `none` leaves it out, `hashed` words, a name of
   * `textTowers`, or another folder or file. Without any, `text` is undefined.
   */
  readonly textEncoder?: string | undefined;
  /** Where the text side's weights are now, for a checkpoint that names files which have moved. */
  readonly textWeights?: string | undefined;
  /** Weights in variables, ready to train. Default false. */
  readonly trainable?: boolean | undefined;
  /** As {@link LoadRequest.storage}, of both sides. Words that are hashed have no weights. */
  readonly storage?: LoadRequest["storage"];
  /** Length of the vectors of `pixels`. */
  readonly dimension?: number | undefined;
  /** Of `pixels` and hashed words. Default 23. */
  readonly seed?: number | undefined;
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Both sides of an encoder. The caller disposes them. */
export interface OpenedEncoder {
  readonly image: ImageEncoder;
  readonly text: TextTower | undefined;
  /** How a checkpoint finds the text side again. */
  readonly textSide: TextSide | undefined;
  /**
   * Family and weights of a text side that was chosen apart from the image's, for the manifest: embeddings of two text
   * encoders must never pass for one another.
   */
  readonly textIdentity?: Readonly<Record<string, string>> | undefined;
  /** sha256 of the weights, for the manifest. */
  readonly weightsHash?: string | undefined;
  /** Revision on the hub, where the files came from there; for the manifest. */
  readonly revision?: string | undefined;
}

/** A text tower as checkpoints remember it: its description, and where its files were. */
export interface TextSide extends TowerDescription {
  readonly source?: string | undefined;
}

/** What a Stage 2 checkpoint holds beside the weights. */
export interface ModelDescription {
  readonly image: TowerDescription;
  readonly text: TextSide;
  /** How regions were embedded in training; absent: `roi-align`. */
  readonly regions?: RegionOptions["regions"];
}

/**
 * Opens an encoder by whatever names one: an entry of the registry (`pixels`, `clip-rn50`), a model's folder, a file of
 * weights, or a checkpoint of Stage 2. Files are told apart by what is in them, not by what they are called. A checkpoint
 * embeds regions as it was trained to, unless `regions` says otherwise.
 *
 * @throws VillaError `NotFound`, `Unsupported` naming what was found and what is known, `Mismatch`, `InvalidFile`
 */
export async function openEncoder(which: string, options: OpenEncoderOptions = {}): Promise<OpenedEncoder> {
  checkArgument("which", which, "text");
  checkArgument("options?", options, {
    "textEncoder?": "text",
    "textWeights?": "text",
    "trainable?": "boolean",
    "storage?": "'float32' | 'float16'",
    "dimension?": "count",
    "seed?": "number",
    "onProgress?": "function",
    "signal?": "object",
    "regions?": "'roi-align' | 'crop' | 'mask'",
    "context?": "number",
    "dense?": "'value' | 'last-hidden'",
    "imageSize?": "count",
  });

  const { textEncoder = "auto", seed = 23, storage, onProgress, signal } = options;
  requireEncoder(which);
  if (imageNeedsNoFiles.has(which) && !existsSync(which)) {
    const image = await loadImageEncoder({ ...options, family: which, seed });
    const opened = await withText(image, textEncoder === "auto" ? "hashed" : textEncoder, {
      source: undefined,
      seed,
      onProgress,
      signal,
    });
    // Hashed words are what these encoders come with, named or not.
    return { ...opened, textIdentity: opened.textSide?.family === "hashed" ? undefined : opened.textIdentity };
  }
  const path = which === "clip-rn50" ? await downloadClipWeights({ onProgress, signal }) : which;
  if (await isCheckpoint(path)) return openCheckpoint(path, options);
  const files = await openEncoderFiles(path, { onProgress, signal });
  const image = await loadImageEncoder({ ...options, files });
  try {
    const opened = await withText(image, textEncoder, { source: path, files, seed, storage, onProgress, signal });
    return { ...opened, weightsHash: await hashOfWeights(path, files), revision: files.revision };
  } catch (error) {
    image.dispose();
    throw error;
  }
}

/**
 * Opens the text side alone: `hashed`, what a folder or file holds, or that of a checkpoint.
 *
 * @param which as {@link openEncoder} takes it, or a name of `textTowers`
 * @param options `dimension`, `seed`: of hashed words, which `pixels` comes with
 */
export async function openTextTower(
  which: string,
  options: {
    dimension?: number | undefined;
    seed?: number | undefined;
    files?: EncoderFiles | undefined;
    storage?: LoadRequest["storage"];
    onProgress?: ProgressListener | undefined;
    signal?: AbortSignal | undefined;
  } = {},
): Promise<TextTower> {
  checkArgument("which", which, "text");
  checkArgument("options?", options, {
    "dimension?": "count",
    "seed?": "number",
    "files?": encoderFilesRule,
    "storage?": "'float32' | 'float16'",
    "onProgress?": "function",
    "signal?": "object",
  });
  const { dimension, seed = 23, files, storage, ...hub } = options;

  const isThere = existsSync(which);
  if (which === "hashed" || (imageNeedsNoFiles.has(which) && !isThere)) {
    return loadTextTower({ family: "hashed", dimension, seed, storage });
  }
  if (textTowers[which] !== undefined && !isThere) return loadTextTower({ family: which, files, storage });
  const path =
    which === "clip-rn50" && !isThere ? await downloadClipWeights({ ...hub, onProgress: hub.onProgress }) : which;
  if (await isCheckpoint(path))
    return openTextSide(modelDescription((await loadCheckpoint(path)).extra?.model, path).text, { ...hub, storage });
  return loadTextTower({ files: await openEncoderFiles(path, hub), storage });
}

async function openTextSide(
  { source, ...description }: TextSide,
  { storage, ...hub }: DownloadModelOptions & Pick<LoadRequest, "storage"> = {},
): Promise<TextTower> {
  const files = source === undefined ? undefined : await openEncoderFiles(source, hub);
  return loadTextTower({ ...description, files, storage });
}

/**
 * Makes sure that something is there by this name, before any work begins.
 *
 * @throws VillaError `NotFound` for a path where nothing is, else `InvalidArgument` naming the entries of the registry
 */
export function requireEncoder(which: string): void {
  checkArgument("which", which, "text");

  const names = ["clip-rn50", ...Object.keys(imageTowers).filter((name) => imageNeedsNoFiles.has(name))];
  if (names.includes(which) || which.startsWith("hf:") || existsSync(which)) return;
  // It is written like a path, but nothing lies there.
  if (/[\\/]|\.\w+$/.test(which)) {
    throw new VillaError("NotFound", `There is no encoder at ${which}: no such file or folder.`);
  }
  throw new VillaError(
    "InvalidArgument",
    `There is no encoder "${which}": give ${names.join(", ")}, a model's folder, a file of weights, or hf:ORG/NAME.`,
  );
}

const imageNeedsNoFiles: ReadonlySet<string> = new Set(["pixels"]);

/** Whether a file is a checkpoint of a training of ours, by its contents. */
export async function isCheckpoint(path: string): Promise<boolean> {
  checkArgument("path", path, "text");

  if (!existsSync(path) || statSync(path).isDirectory() || !(await isSafetensorsFile(path))) return false;
  const { metadata } = await openSafetensors(await fileSource(path));
  return metadata["villa.format"] !== undefined;
}

interface TextFrom {
  readonly source: string | undefined;
  readonly files?: EncoderFiles | undefined;
  readonly seed: number;
  readonly storage?: LoadRequest["storage"];
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

async function withText(
  image: ImageEncoder,
  textEncoder: string,
  { source, files, seed, storage, onProgress, signal }: TextFrom,
): Promise<OpenedEncoder> {
  if (textEncoder === "none") return { image, text: undefined, textSide: undefined };
  if (textEncoder === "auto") {
    const found = files && (await recogniseFamily(textTowers, files));
    if (!found) return { image, text: undefined, textSide: undefined };
    const text = await loadTextTower({ ...found, files, storage });
    return { image, text, textSide: { ...text.description, source } };
  }
  const own = textEncoder === "hashed" ? undefined : storage;
  const settings = { dimension: image.dimension, seed, files, storage: own, onProgress, signal };
  const text = await openTextTower(textEncoder, settings);
  const isOwn = textTowers[textEncoder] !== undefined && !existsSync(textEncoder);
  const from = textEncoder === "hashed" ? undefined : isOwn ? source : textEncoder;
  const { family } = text.description;
  const textWeights = from === undefined ? undefined : await hashOfWeights(from, await openEncoderFiles(from));
  const textIdentity = textWeights === undefined ? { text: family } : { text: family, textWeights };
  return { image, text, textSide: { ...text.description, source: from }, textIdentity };
}

async function openCheckpoint(path: string, options: OpenEncoderOptions): Promise<OpenedEncoder> {
  if (options.storage === "float16") {
    throw new VillaError("Unsupported", `${path} is a checkpoint, whose weights stay float32; leave storage out.`);
  }
  const { tensors, extra } = await loadCheckpoint(path);
  const { image: side, text: textSide, regions } = modelDescription(extra?.model, path);
  const image = await loadImageEncoder({ ...options, regions: options.regions ?? regions, ...side, trainable: true });
  try {
    restoreVariables(image.tower!.parameters as ReadonlyMap<string, tf.Variable>, tensors);
    const { textEncoder = "auto", seed = 23, onProgress, signal } = options;
    const weightsHash = await hashWeights(path);
    if (textEncoder !== "auto") {
      const opened = await withText(image, textEncoder, { source: undefined, seed, onProgress, signal });
      return { ...opened, weightsHash };
    }
    const found = { ...textSide, source: options.textWeights ?? textSide.source };
    return { image, text: await openTextSide(found, { onProgress, signal }), textSide: found, weightsHash };
  } catch (error) {
    image.dispose();
    throw error;
  }
}

/**
 * The description in a checkpoint, also in the form that earlier versions wrote.
 *
 * @throws VillaError `InvalidFile` when it is not a checkpoint of Stage 2
 */
function modelDescription(model: unknown, path: string): ModelDescription {
  const known = (model ?? {}) as Partial<ModelDescription> & { vision?: Record<string, unknown> | undefined };
  if (known.image?.family !== undefined && known.text?.family !== undefined) return known as ModelDescription;
  const text = known.text as unknown as { kind?: string; weights?: string; seed?: number } | undefined;
  if (!known.vision || !text?.kind)
    throw new VillaError("InvalidFile", `${path} is a checkpoint, but not one of Stage 2.`);
  const { embedDim } = known.vision;
  return {
    image: { family: "clip-resnet", config: known.vision },
    text:
      text.kind === "hashed"
        ? { family: "hashed", config: { embedDim, seed: text.seed } }
        : { family: "clip", config: {}, source: text.weights },
  };
}

/**
 * sha256 of the weights that {@link openEncoder} would open. Where these are several files (shards, ONNX models), it is
 * the sha256 of their hashes in order.
 *
 * @throws VillaError `NotFound`, `Unsupported` when there are none; as {@link openEncoderFiles}
 */
export async function hashEncoder(which: string, hub: DownloadModelOptions = {}): Promise<string> {
  requireEncoder(which);
  const path = which === "clip-rn50" && !existsSync(which) ? await downloadClipWeights(hub) : which;
  if (existsSync(path) && !statSync(path).isDirectory()) return hashWeights(path);
  const hash = imageNeedsNoFiles.has(path) ? undefined : await hashOfWeights(path, await openEncoderFiles(path, hub));
  if (hash !== undefined) return hash;
  throw new VillaError(
    "Unsupported",
    `${which} holds no weights; give a model's folder, a file of weights, or a checkpoint.`,
  );
}

/** sha256 of the weights; of several shards or ONNX models, the sha256 of their hashes in order. */
async function hashOfWeights(path: string, files: EncoderFiles): Promise<string | undefined> {
  const isFile = existsSync(path) && !statSync(path).isDirectory() && !files.onnx;
  const file = isFile ? path : weightFiles.map((name) => files.path(name)).find((found) => found !== undefined);
  if (!files.weights && files.onnx) return hashOfAll(onnxModelsOf(files));
  if (!file?.endsWith(".index.json")) return file === undefined ? undefined : hashWeights(file);
  return hashOfAll(await shardFiles(file));
}

/** The ONNX models that are used, with the weights that large ones keep in a file beside them. */
function onnxModelsOf(files: EncoderFiles): string[] {
  const used = ["vision_model", "text_model", "model"].flatMap((base) => findOnnxFile(files.onnx!.names, base) ?? []);
  return used.flatMap((name) => [files.path(name)!, files.path(`${name}_data`)].filter((path) => path !== undefined));
}

async function hashOfAll(paths: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const path of paths) hash.update(await hashWeights(path));
  return hash.digest("hex");
}
