import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { checkArgument } from "@villa/data";
import { fileSource } from "@villa/data/node";
import type { WeightSource } from "../files.ts";
import { type FileFolder, isSafetensors, shardNames, weightFiles, weightsIn } from "../weight-folder.ts";

/** A folder on the disk. */
export function diskFolder(path: string): FileFolder {
  return {
    label: (name) => join(path, name),
    has: (name) => existsSync(join(path, name)),
    open: (name) => fileSource(join(path, name)),
  };
}

/** The weights in a model's folder; undefined when there are none. */
export function findWeights(folder: string): string | undefined {
  return weightFiles.map((name) => join(folder, name)).find((path) => existsSync(path));
}

/**
 * Weights of which each tensor is read, and widened, when it is asked for: a file of safetensors, one of torch's, or
 * the index of a model that is split into several.
 *
 * @throws VillaError `NotFound` naming a missing shard, `InvalidFile` naming a damaged or cut file, `Mismatch` when two
 *   tensors have the same name
 */
export async function openWeights(path: string): Promise<WeightSource> {
  checkArgument("path", path, "text");

  return weightsIn(diskFolder(dirname(path)), basename(path));
}

/** Safetensors, by their contents. */
export async function isSafetensorsFile(path: string): Promise<boolean> {
  return isSafetensors(await fileSource(path));
}

/** Paths of the files that an index names, in order. */
export async function shardFiles(index: string): Promise<string[]> {
  const folder = dirname(index);
  return (await shardNames(diskFolder(folder), basename(index))).map((name) => join(folder, name));
}
