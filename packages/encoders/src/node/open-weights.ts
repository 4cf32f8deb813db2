import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  checkArgument,
  isVillaError,
  openSafetensors,
  openStateDict,
  type TensorData,
  toFloat32,
  VillaError,
} from "@villa/data";
import { fileSource, readFileBytes, withPath } from "@villa/data/node";
import { unwrapNames } from "../check-weights.ts";
import type { TensorHeader, WeightSource } from "../files.ts";

/** Names of weights in a model's folder, in the order in which they are looked for. */
export const weightFiles = [
  "model.safetensors",
  "model.safetensors.index.json",
  "open_clip_model.safetensors",
  "pytorch_model.bin",
  "pytorch_model.bin.index.json",
  "open_clip_pytorch_model.bin",
];

/** The weights in a model's folder; undefined when there are none. */
export function findWeights(folder: string): string | undefined {
  return weightFiles.map((name) => join(folder, name)).find((path) => existsSync(path));
}

/** A file's tensors by their own names: what has been read is the header alone. */
interface OpenFile {
  readonly entries: ReadonlyMap<string, TensorHeader>;
  /** One tensor, halves left as their bits. */
  tensor(name: string): Promise<TensorData>;
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

  const file = path.endsWith(".index.json") ? await openShards(path) : await openFile(path);
  const names = unwrapNames([...file.entries.keys()]);
  const tensors = new Map([...names].map(([name, own]) => [name, file.entries.get(own)!]));
  const tensor = async (name: string): Promise<TensorData> => {
    const own = names.get(name);
    if (own === undefined) throw new VillaError("Mismatch", `${path} holds no "${name}".`);
    return file.tensor(own);
  };
  return {
    tensors,
    read: async (name) => toFloat32(await tensor(name)),
    async all() {
      const all = new Map<string, TensorData>();
      for (const name of tensors.keys()) all.set(name, await tensor(name));
      return all;
    },
  };
}

async function openFile(path: string): Promise<OpenFile> {
  const source = await fileSource(path);
  const file = await withPath<OpenFile>(path, async () =>
    (await isSafetensorsFile(path)) ? openSafetensors(source, { raw: true }) : openStateDict(source, { raw: true }),
  );
  return { entries: file.entries, tensor: (name) => withPath(path, () => file.tensor(name)) };
}

/** Safetensors begin with the length of a JSON object, then that object. */
export async function isSafetensorsFile(path: string): Promise<boolean> {
  const source = await fileSource(path);
  const bytes = await source.read(0, Math.min(9, source.size));
  return bytes.length === 9 && bytes[8] === 0x7b && bytes[7] === 0 && bytes[6] === 0;
}

/** Paths of the files that an index names, in order. */
export async function shardFiles(index: string): Promise<string[]> {
  const { weight_map: map } = await readJson(index);
  const names = new Set(Object.values((map ?? {}) as Readonly<Record<string, unknown>>).map(String));
  return [...names].sort().map((name) => join(dirname(index), name));
}

/** Joins the files that an index names. Each is opened once; each must hold what the index says. */
async function openShards(index: string): Promise<OpenFile> {
  const { weight_map: map } = await readJson(index);
  const places = Object.entries((map ?? {}) as Readonly<Record<string, unknown>>);
  if (places.length === 0) throw new VillaError("InvalidFile", `${index} names no tensors.`);
  const files = new Map<string, OpenFile>();
  for (const name of new Set(places.map(([, file]) => String(file)))) {
    // Names come from a download: they must not lead out of the folder.
    if (!/^[\w.-]+$/.test(name))
      throw new VillaError("InvalidFile", `${index} names "${name}", which is not a file name.`);
    const path = join(dirname(index), name);
    if (!existsSync(path)) {
      const held = places.filter(([, file]) => file === name).length;
      throw new VillaError(
        "NotFound",
        `The weights are incomplete: ${path}, which holds ${held} of ${places.length} tensors, is missing; download it again.`,
      );
    }
    files.set(name, await openFile(path));
  }
  const fileOf = new Map(places.map(([tensor, file]) => [tensor, files.get(String(file))!]));
  const entries = new Map<string, TensorHeader>();
  for (const [tensor, file] of fileOf) {
    const header = file.entries.get(tensor);
    if (!header)
      throw new VillaError("InvalidFile", `${index} says where "${tensor}" is, but that file does not hold it.`);
    entries.set(tensor, header);
  }
  return { entries, tensor: (name) => fileOf.get(name)!.tensor(name) };
}

/** @throws VillaError `InvalidFile` naming the file when it is not JSON */
export async function readJson(path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(await readFileBytes(path)));
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch (cause) {
    if (isVillaError(cause)) throw cause;
    throw new VillaError("InvalidFile", `${path} is not JSON; it may be cut off.`, { cause });
  }
  throw new VillaError("InvalidFile", `${path} holds no JSON object.`);
}
