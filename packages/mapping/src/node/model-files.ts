import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { checkArgument, checkFinite, loadStateDict, readSafetensors, saveTorch, VillaError } from "@villa/data";
import { atomicWriteFile, readFileBytes, withPath } from "@villa/data/node";
import { headCount } from "../model/heads.ts";
import { modelFromStateDict, modelStateDict } from "../model/model.ts";
import type { HeadSource } from "../model/scores.ts";
import { headFile, headSource } from "./head-files.ts";
import { readRunForm } from "./stage1-files.ts";

/** Weights beyond this are not put into a single PyTorch file: they would have to be in memory twice. */
const largestTorchFile = 1.5 * 2 ** 30;

/**
 * Writes the model as the reference's `last.pkl`: a state dict whose names start with "module.".
 *
 * @returns false, and nothing written, when it would be larger than 1.5 GiB; the head checkpoints hold the weights then
 */
export async function writeTorchModel(path: string, model: HeadSource): Promise<boolean> {
  const { dimension, oneProj, attributes } = model;
  const bytes = headCount(oneProj, attributes.length) * 8 * (dimension * dimension + dimension);
  if (bytes > largestTorchFile) return false;
  await atomicWriteFile(path, saveTorch(await modelStateDict(model), { archiveName: "last" }));
  return true;
}

/**
 * Opens a trained model: a run's folder, a PyTorch file (`last.pkl`, with or without "module.") or safetensors.
 *
 * @param options `which` of a run's folder: the last epoch of every head, or its best where early stopping chose one
 * @throws VillaError `NotFound`, `InvalidFile`, `Mismatch` when it does not fit the attributes
 */
export async function openMappingModel(
  path: string,
  options: {
    readonly attributes: readonly string[];
    readonly dimension: number;
    readonly adapter: boolean;
    readonly which?: "last" | "best" | undefined;
  },
): Promise<HeadSource> {
  checkArgument("path", path, "text");
  checkArgument("options", options, {
    attributes: ["text"],
    dimension: "count",
    adapter: "boolean",
    "which?": "'last' | 'best'",
  });

  const stats = await stat(path).catch(() => undefined);
  if (!stats) throw new VillaError("NotFound", `There is no checkpoint ${path}; train one with: villa stage1.`);
  if (stats.isDirectory()) return openFolder(path, options);
  const bytes = await readFileBytes(path);
  return withPath(path, () => {
    const tensors = path.endsWith(".safetensors") ? readSafetensors(bytes).tensors : loadStateDict(bytes);
    for (const [name, tensor] of tensors) checkFinite(name, tensor);
    return modelFromStateDict(tensors, options);
  });
}

async function openFolder(path: string, options: Parameters<typeof openMappingModel>[1]): Promise<HeadSource> {
  const folder = existsSync(join(path, "heads")) ? join(path, "heads") : path;
  const { attributes, dimension, which = "best" } = options;
  // The form that the run left beside its heads goes before the form that the caller gives.
  const form = (await readRunForm(folder)) ?? { oneProj: false, adapter: options.adapter };
  for (let head = 0; head < headCount(form.oneProj, attributes.length); head++) {
    if (existsSync(headFile(folder, head))) continue;
    throw new VillaError(
      "NotFound",
      `${path} lacks the head of attribute "${attributes[head]}"; train all attributes first, or merge the shards.`,
    );
  }
  return headSource(folder, { attributes, dimension, ...form, which });
}
