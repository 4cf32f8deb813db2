import { VillaError } from "../../errors.ts";
import { isTensorData, type TensorData } from "../tensor.ts";
import { TorchObject } from "./globals.ts";
import { loadTorch, type TorchReadOptions } from "./read.ts";

/** Keys under which training scripts keep the weights beside epoch, optimiser and so on, in order of preference. */
const wrappers = ["state_dict", "model_state_dict", "model"];
const deepest = 100;
/** A dict that is referred to twice is walked twice: without a limit, a small file could ask for 2^100 names. */
const mostEntries = 200_000;

/**
 * The named tensors of any torch file: a state dict, a checkpoint that holds one under `state_dict`,
 * `model_state_dict` or `model`, a dict of NumPy arrays, or a TorchScript archive (whose modules' attributes give
 * the names). Names are PyTorch's, joined with dots; values that are not tensors are left out.
 *
 * @throws VillaError as {@link loadTorch}; `InvalidFile` when there is no tensor at all
 */
export function loadStateDict(bytes: Uint8Array, options: TorchReadOptions = {}): Map<string, TensorData> {
  const tensors = new Map<string, TensorData>();
  collect(unwrap(loadTorch(bytes, options)), "", 0, { tensors, entriesLeft: mostEntries });
  if (tensors.size === 0) throw new VillaError("InvalidFile", "The torch file holds no named tensors.");
  return tensors;
}

function unwrap(value: unknown): unknown {
  if (!(value instanceof Map)) return value;
  const key = wrappers.find((name) => value.get(name) instanceof Map || value.get(name) instanceof TorchObject);
  return key === undefined ? value : unwrap(value.get(key));
}

interface Collection {
  readonly tensors: Map<string, TensorData>;
  entriesLeft: number;
}

function collect(value: unknown, prefix: string, depth: number, collection: Collection): void {
  const children = value instanceof TorchObject ? value.attributes : value;
  if (!(children instanceof Map)) return;
  if (depth > deepest) throw new VillaError("UnsafeFile", "The torch file is nested too deeply, or contains itself.");
  for (const [key, child] of children) {
    if (collection.entriesLeft-- <= 0) throw new VillaError("UnsafeFile", "The torch file has too many entries.");
    const name = prefix + String(key);
    if (isTensorData(child)) collection.tensors.set(name, child);
    else collect(child, `${name}.`, depth + 1, collection);
  }
}
