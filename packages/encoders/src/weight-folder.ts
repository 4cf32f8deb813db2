import {
  isVillaError,
  openSafetensors,
  openStateDict,
  type RangeSource,
  type TensorData,
  toFloat32,
  VillaError,
} from "@villa/data";
import { unwrapNames } from "./check-weights.ts";
import type { TensorHeader, WeightSource } from "./files.ts";

/** Files of one folder by their names: on a disk, or what a visitor dropped on a page. */
export interface FileFolder {
  /** Names a file of it in messages. */
  label(name: string): string;
  has(name: string): boolean;
  /** Opens a file that is there. */
  open(name: string): Promise<RangeSource>;
}

/**
 * Names of weights in a model's folder or on the hub, in the order in which they are looked for; an index brings its shards.
 */
export const weightFiles = [
  "model.safetensors",
  "model.safetensors.index.json",
  "open_clip_model.safetensors",
  "pytorch_model.bin",
  "pytorch_model.bin.index.json",
  "open_clip_pytorch_model.bin",
];

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
 * @param name of a file in the folder
 * @throws VillaError `NotFound` naming a missing shard, `InvalidFile` naming a damaged or cut file, `Mismatch` when two
 *   tensors have the same name
 */
export async function weightsIn(folder: FileFolder, name: string): Promise<WeightSource> {
  const file = name.endsWith(".index.json") ? await openShards(folder, name) : await openFile(folder, name);
  const names = unwrapNames([...file.entries.keys()]);
  const tensors = new Map([...names].map(([plain, own]) => [plain, file.entries.get(own)!]));
  const tensor = async (plain: string): Promise<TensorData> => {
    const own = names.get(plain);
    if (own === undefined) throw new VillaError("Mismatch", `${folder.label(name)} holds no "${plain}".`);
    return file.tensor(own);
  };
  return {
    tensors,
    read: async (plain) => toFloat32(await tensor(plain)),
    async all() {
      const all = new Map<string, TensorData>();
      for (const plain of tensors.keys()) all.set(plain, await tensor(plain));
      return all;
    },
  };
}

async function openFile(folder: FileFolder, name: string): Promise<OpenFile> {
  const source = await folder.open(name);
  const label = folder.label(name);
  const file = await named<OpenFile>(label, async () =>
    (await isSafetensors(source)) ? openSafetensors(source, { raw: true }) : openStateDict(source, { raw: true }),
  );
  return { entries: file.entries, tensor: (tensor) => named(label, () => file.tensor(tensor)) };
}

/** Safetensors begin with the length of a JSON object, then that object. */
export async function isSafetensors(source: RangeSource): Promise<boolean> {
  const bytes = await source.read(0, Math.min(9, source.size));
  return bytes.length === 9 && bytes[8] === 0x7b && bytes[7] === 0 && bytes[6] === 0;
}

/** Names of the files that an index names, in order. */
export async function shardNames(folder: FileFolder, index: string): Promise<string[]> {
  const { weight_map: map } = await readJson(folder, index);
  return [...new Set(Object.values((map ?? {}) as Readonly<Record<string, unknown>>).map(String))].sort();
}

/** Joins the files that an index names. Each is opened once; each must hold what the index says. */
async function openShards(folder: FileFolder, index: string): Promise<OpenFile> {
  const label = folder.label(index);
  const { weight_map: map } = await readJson(folder, index);
  const places = Object.entries((map ?? {}) as Readonly<Record<string, unknown>>);
  if (places.length === 0) throw new VillaError("InvalidFile", `${label} names no tensors.`);
  const files = new Map<string, OpenFile>();
  for (const name of new Set(places.map(([, file]) => String(file)))) {
    // Names come from a download: they must not lead out of the folder.
    if (!/^[\w.-]+$/.test(name))
      throw new VillaError("InvalidFile", `${label} names "${name}", which is not a file name.`);
    if (!folder.has(name)) {
      const held = places.filter(([, file]) => file === name).length;
      throw new VillaError(
        "NotFound",
        `The weights are incomplete: ${folder.label(name)}, which holds ${held} of ${places.length} tensors, is missing; download it again.`,
      );
    }
    files.set(name, await openFile(folder, name));
  }
  const fileOf = new Map(places.map(([tensor, file]) => [tensor, files.get(String(file))!]));
  const entries = new Map<string, TensorHeader>();
  for (const [tensor, file] of fileOf) {
    const header = file.entries.get(tensor);
    if (!header)
      throw new VillaError("InvalidFile", `${label} says where "${tensor}" is, but that file does not hold it.`);
    entries.set(tensor, header);
  }
  return { entries, tensor: (name) => fileOf.get(name)!.tensor(name) };
}

/** @throws VillaError `InvalidFile` naming the file when it is not JSON */
export async function readJson(folder: FileFolder, name: string): Promise<Readonly<Record<string, unknown>>> {
  const label = folder.label(name);
  try {
    const source = await folder.open(name);
    const value: unknown = JSON.parse(
      new TextDecoder("utf-8", { fatal: true }).decode(await source.read(0, source.size)),
    );
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch (cause) {
    if (isVillaError(cause)) throw cause;
    throw new VillaError("InvalidFile", `${label} is not JSON; it may be cut off.`, { cause });
  }
  throw new VillaError("InvalidFile", `${label} holds no JSON object.`);
}

/** Puts the file's name before an error that does not have it. */
async function named<T>(label: string, read: () => T | Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!isVillaError(error) || error.message.includes(label)) throw error;
    throw new VillaError(error.code, `${label}: ${error.message}`, { cause: error });
  }
}
