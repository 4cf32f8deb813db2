import { existsSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { openSafetensors, toFloat32, VillaError } from "@villa/data";
import { fileSource, readFileBytes, withPath } from "@villa/data/node";
import { withoutWrapper } from "../check-weights.ts";
import { type EncoderFiles, memoryWeights, type TensorHeader, type WeightSource } from "../files.ts";
import { readWeights } from "./weights.ts";

/** Names of weights in a model's folder, in the order in which they are looked for. */
const weightFiles = [
  "model.safetensors",
  "open_clip_model.safetensors",
  "pytorch_model.bin",
  "open_clip_pytorch_model.bin",
];

/**
 * A model's folder as Hugging Face lays it out, or a single file of weights.
 *
 * @throws VillaError `NotFound`, `InvalidFile`
 */
export async function openEncoderFiles(path: string): Promise<EncoderFiles> {
  if (!existsSync(path)) {
    throw new VillaError(
      "NotFound",
      `There is no encoder at ${path}; name a folder, a file of weights, or hf:ORG/NAME.`,
    );
  }
  const isFolder = statSync(path).isDirectory();
  const folder = isFolder ? path : dirname(path);
  const file = isFolder ? weightFiles.map((name) => join(folder, name)).find((name) => existsSync(name)) : path;
  const find = (name: string) => {
    const found = join(folder, name);
    if (!isFolder) return name === basename(path) ? path : undefined;
    return existsSync(found) ? found : undefined;
  };
  return {
    label: path,
    weights: file === undefined ? undefined : await openWeights(file),
    path: find,
    async json(name) {
      const found = find(name);
      if (found === undefined) return undefined;
      try {
        return JSON.parse(new TextDecoder().decode(await readFileBytes(found))) as Record<string, unknown>;
      } catch (cause) {
        if (!(cause instanceof SyntaxError)) throw cause;
        throw new VillaError("InvalidFile", `${found} is not JSON.`, { cause });
      }
    },
  };
}

/** A file's tensors: those of safetensors are read one by one, those of torch's archives lie in memory as they are. */
export async function openWeights(path: string): Promise<WeightSource> {
  if (!(await isSafetensorsFile(path))) return memoryWeights(await readWeights(path));
  const file = await withPath(path, async () => openSafetensors(await fileSource(path)));
  const entries = unwrapped(file.entries);
  const names = new Map([...file.entries.keys()].map((name) => [withoutWrapper(name), name]));
  return {
    tensors: entries,
    all: () => readWeights(path),
    async read(name) {
      const own = names.get(name);
      if (own === undefined) throw new VillaError("Mismatch", `${path} holds no "${name}".`);
      return withPath(path, async () => toFloat32(await file.tensor(own)));
    },
  };
}

/** @throws VillaError `Mismatch` when two names become one */
function unwrapped<T extends TensorHeader>(tensors: ReadonlyMap<string, T>): Map<string, T> {
  const result = new Map<string, T>();
  for (const [name, tensor] of tensors) {
    const own = withoutWrapper(name);
    if (result.has(own)) {
      throw new VillaError("Mismatch", `The weights hold "${own}" twice, the second time as "${name}".`);
    }
    result.set(own, tensor);
  }
  return result;
}

/** Safetensors begin with the length of a JSON object, then that object. */
export async function isSafetensorsFile(path: string): Promise<boolean> {
  const source = await fileSource(path);
  const bytes = await source.read(0, Math.min(9, source.size));
  return bytes.length === 9 && bytes[8] === 0x7b && bytes[7] === 0 && bytes[6] === 0;
}
