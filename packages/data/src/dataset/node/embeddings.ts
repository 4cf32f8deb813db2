import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { isVillaError, VillaError } from "../../errors.ts";
import { checkArgument, checkFunction, checkText, isText } from "../../formats/check-arguments.ts";
import { describe } from "../../formats/describe.ts";
import { readFeather } from "../../formats/feather/read.ts";
import { readSafetensors } from "../../formats/safetensors/read.ts";
import { type TensorData, toFloat32 } from "../../formats/tensor.ts";
import { loadStateDict } from "../../formats/torch/state-dict.ts";
import { decodeRegionNpz, decodeRegionSafetensors, encodeRegionSafetensors } from "../region-file.ts";
import { readFileBytes, withPath } from "./files.ts";
import type { PartStoreOptions } from "./part-store.ts";

/** File names of embeddings inside a dataset folder. */
export const embeddingFiles = {
  attributes: "attr_embs.pth",
  attributesSafetensors: "attr_embs.safetensors",
  regions: "region_embs",
  /** In the folder of region embeddings: which file and position an image has. */
  index: "region_emb_mapping.feather",
  /** In the folder of region embeddings: how they were made. */
  manifest: "manifest.json",
} as const;

/** Attribute embeddings of a dataset folder, in the order of the file: that of the heads. */
export interface AttributeEmbeddings {
  readonly attributes: readonly string[];
  readonly dimension: number;
  /** [A, d] */
  readonly values: Float32Array;
}

/**
 * Reads `attr_embs.pth`, ours or the original's, or `attr_embs.safetensors`.
 *
 * @throws VillaError `NotFound` with the cure, `Mismatch` when the vectors differ in length
 */
export async function readAttributeEmbeddings(dataDir: string): Promise<AttributeEmbeddings> {
  checkText(dataDir, "A dataset folder");
  const torch = join(dataDir, embeddingFiles.attributes);
  const safetensors = join(dataDir, embeddingFiles.attributesSafetensors);
  const path = !existsSync(torch) && existsSync(safetensors) ? safetensors : torch;
  const bytes = await readEmbeddingFile(path, dataDir);
  const tensors = await withPath(path, () => (path === torch ? loadStateDict(bytes) : orderedTensors(bytes)));
  const attributes = [...tensors.keys()];
  const vectors = [...tensors.values()].map(toFloat32);
  const dimension = vectors[0]?.length ?? 0;
  const values = new Float32Array(attributes.length * dimension);
  vectors.forEach((vector, a) => {
    if (vector.length !== dimension) {
      throw new VillaError(
        "Mismatch",
        `${path}: "${attributes[a]}" has ${vector.length} dimensions but "${attributes[0]}" has ${dimension}.`,
      );
    }
    values.set(vector, a * dimension);
  });
  return { attributes, dimension, values };
}

/**
 * Gives the images' region embeddings to `visit`, file by file, so that only one file is in memory at a time.
 *
 * @param visit gets each image's flat vector of regions × dimension values
 * @param options `imageIds`: the images to read; all without it
 * @throws VillaError `NotFound` with the cure, `InvalidFile`
 */
export async function visitRegionEmbeddings(
  dataDir: string,
  visit: (imageId: number, embeddings: Float32Array) => void,
  options: { readonly imageIds?: ReadonlySet<number> | undefined } = {},
): Promise<void> {
  checkText(dataDir, "A dataset folder");
  checkFunction(visit, "The visitor of embeddings");
  checkArgument("options?", options, { "imageIds?": "object" });
  const { imageIds: wanted } = options;
  const folder = join(dataDir, embeddingFiles.regions);
  const indexPath = join(folder, embeddingFiles.index);
  const index = await readEmbeddingFile(indexPath, dataDir);
  const table = await withPath(indexPath, () => readFeather(index));
  const seen = new Set<number>();
  const files = new Map<string, { imageId: number; position: number }[]>();
  const [ids, names, positions] = [table.column("image_id"), table.column("file"), table.column("file_id")];
  ids.forEach((imageId, i) => {
    const [file, position] = [names[i], positions[i]];
    // An empty cell must not become image 0, or the first vector of a file.
    if (!isWhole(imageId) || !isWhole(position) || typeof file !== "string") {
      throw new VillaError(
        "InvalidFile",
        `${indexPath}: row ${i} does not say which image is where (image_id ${describe(imageId)}, file ${describe(file)}, file_id ${describe(position)}).`,
      );
    }
    if (seen.has(imageId)) throw new VillaError("InvalidFile", `${indexPath} names image ${imageId} twice.`);
    seen.add(imageId);
    if (wanted && !wanted.has(imageId)) return;
    const path = embeddingPath(folder, file);
    const entries = files.get(path);
    const entry = { imageId, position };
    if (entries) entries.push(entry);
    else files.set(path, [entry]);
  });
  for (const [path, entries] of files) {
    const bytes = await readEmbeddingFile(path, dataDir);
    const vectors = await withPath(path, () =>
      path.endsWith(".safetensors") ? decodeRegionSafetensors(bytes).vectors : decodeRegionNpz(bytes),
    );
    for (const { imageId, position } of entries) {
      const vector = vectors[position];
      if (!vector) {
        throw new VillaError("InvalidFile", `${path} has no entry ${position}, where image ${imageId} should be.`);
      }
      visit(imageId, vector);
    }
  }
}

/** The original's column `file` has no ending ("embs_2623"); a name with one, or a path, is accepted too. */
function embeddingPath(folder: string, file: string): string {
  const name = basename(file.replaceAll("\\", "/"));
  if (/\.(npz|safetensors)$/.test(name)) return join(folder, name);
  const safetensors = join(folder, `${name}.safetensors`);
  const npz = join(folder, `${name}.npz`);
  return !existsSync(npz) && existsSync(safetensors) ? safetensors : npz;
}

/** Safetensors sort their tensors; the metadata's `order` gives back the heads' order. */
function orderedTensors(bytes: Uint8Array): Map<string, TensorData> {
  const { tensors, metadata } = readSafetensors(bytes);
  if (metadata.order === undefined) return tensors;
  const order = parseOrder(metadata.order);
  const isWhole = order?.length === tensors.size && new Set(order).size === tensors.size;
  if (!order || !isWhole || !order.every((name) => tensors.has(name))) {
    throw new VillaError(
      "InvalidFile",
      'The metadata "order" of the attribute embeddings is not a JSON list of all their names.',
    );
  }
  return new Map(order.map((name) => [name, tensors.get(name)!]));
}

function parseOrder(json: string): string[] | undefined {
  try {
    const names: unknown = JSON.parse(json);
    return Array.isArray(names) && names.every(isText) ? names : undefined;
  } catch {
    return undefined;
  }
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

async function readEmbeddingFile(path: string, dataDir: string): Promise<Uint8Array> {
  try {
    return await readFileBytes(path);
  } catch (error) {
    if (!isVillaError(error, "NotFound")) throw error;
    throw new VillaError(
      "NotFound",
      `There is no ${path}; make the embeddings first: villa preprocess --data-dir ${dataDir}.`,
    );
  }
}

/**
 * How a `PartStore` keeps region embeddings: of each image of a part its flat vector of regions × dimension values.
 *
 * @param images number of images of a part
 */
export function regionPartFormat(
  images: (part: number) => number,
): Pick<PartStoreOptions<readonly Float32Array[]>, "extension" | "encode" | "decode"> {
  checkFunction(images, "The argument images");
  return {
    extension: "safetensors",
    encode: (vectors) => encodeRegionSafetensors(vectors),
    decode(bytes, part) {
      const { vectors } = decodeRegionSafetensors(bytes);
      if (vectors.length === images(part)) return vectors;
      throw new VillaError("InvalidFile", `It holds ${vectors.length} images, not ${images(part)}; delete it.`);
    },
  };
}
