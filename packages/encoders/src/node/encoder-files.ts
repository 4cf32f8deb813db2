import { existsSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { VillaError } from "@villa/data";
import type { EncoderFiles } from "../files.ts";
import { type DownloadModelOptions, downloadModel } from "./hub.ts";
import { isHubReference } from "./hub-cache.ts";
import { findWeights, openWeights, readJson } from "./open-weights.ts";

/**
 * A model's folder as Hugging Face or OpenCLIP lays it out, a single file of weights, or a model on the hub
 * (`hf:ORG/NAME[@REVISION]`), which is downloaded first.
 *
 * @throws VillaError `NotFound`, `InvalidFile`, and for the hub those of {@link downloadModel}
 */
export async function openEncoderFiles(path: string, options: DownloadModelOptions = {}): Promise<EncoderFiles> {
  if (isHubReference(path)) {
    const { path: folder, revision } = await downloadModel(path, options);
    return { ...(await openEncoderFiles(folder)), label: path, revision };
  }
  if (!existsSync(path)) {
    throw new VillaError(
      "NotFound",
      `There is no encoder at ${path}; name a folder, a file of weights, or hf:ORG/NAME.`,
    );
  }
  const isFolder = statSync(path).isDirectory();
  const folder = isFolder ? path : dirname(path);
  const weights = isFolder ? findWeights(folder) : path;
  const find = (name: string) => {
    if (!isFolder) return name === basename(path) ? path : undefined;
    const found = join(folder, name);
    return existsSync(found) ? found : undefined;
  };
  return {
    label: path,
    weights: weights === undefined ? undefined : await openWeights(weights),
    path: find,
    async json(name) {
      const found = find(name);
      return found === undefined ? undefined : readJson(found);
    },
  };
}
