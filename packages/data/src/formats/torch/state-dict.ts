import { VillaError } from "../../errors.ts";
import { checkFunction, checkList, checkMap, isText } from "../check-arguments.ts";
import { describe, quote } from "../describe.ts";
import { isTensorData, type TensorData } from "../tensor.ts";
import { TorchObject } from "./globals.ts";
import { loadTorch, type TorchReadOptions } from "./read.ts";
import { UnsupportedTensor } from "./types.ts";

/** Keys under which training scripts keep the weights beside epoch, optimiser and so on, in order of preference. */
const holders = [
  ...["state_dict", "model_state_dict", "model", "module", "net", "network", "weights"],
  ...["model_ema", "ema_model", "ema", "ema_state_dict", "state_dict_ema", "params", "params_ema"],
];
/** Parts of names that come from a wrapper around a module, wherever they stand: torch.compile, FSDP, DeepSpeed. */
const wrappers = new Set(["_orig_mod", "_fsdp_wrapped_module", "_forward_module", "_checkpoint_wrapped_module"]);
const deepest = 100;
/** A dict that is referred to twice is walked twice: without a limit, a small file could ask for 2^100 names. */
const mostEntries = 200_000;

/** Named tensors, and those that are there but cannot be read: name → what it is. */
export class StateDict extends Map<string, TensorData> {
  readonly unsupported: ReadonlyMap<string, string>;

  constructor(
    tensors: Iterable<readonly [string, TensorData]> = [],
    unsupported: ReadonlyMap<string, string> = new Map(),
  ) {
    super(tensors);
    this.unsupported = unsupported;
  }
}

/**
 * The named tensors of any torch file: a state dict, a checkpoint that holds one under `state_dict`,
 * `model_state_dict`, `model`, `net`, `model_ema` and the like, a dict of NumPy arrays, or a TorchScript archive (whose
 * modules' attributes give the names). Names are PyTorch's, joined with dots, without the `_orig_mod.` and
 * `_fsdp_wrapped_module.` of wrappers; values that are not tensors are left out. Complex tensors and others that have no
 * `TensorData` are named in `unsupported`.
 *
 * @throws VillaError as {@link loadTorch}; `InvalidFile` when there is no tensor at all, `Unsupported` when none can be
 *   read
 */
export function loadStateDict(bytes: Uint8Array, options: TorchReadOptions = {}): StateDict {
  const tensors = new Map<string, TensorData>();
  const unsupported = new Map<string, string>();
  collect(unwrap(loadTorch(bytes, options), 0), "", 0, { tensors, unsupported, entriesLeft: mostEntries });
  if (tensors.size > 0) return new StateDict(withoutWrappers(tensors), unsupported);
  const [first] = unsupported;
  if (!first) throw new VillaError("InvalidFile", "The torch file holds no named tensors.");
  throw new VillaError("Unsupported", `The torch file's ${quote(first[0])} is ${first[1]}, which cannot be read.`);
}

/**
 * Names without the parts that wrappers put into them, wherever they stand; all as they are if two would become equal.
 */
function withoutWrappers<T>(named: ReadonlyMap<string, T>): Map<string, T> {
  const clean = new Map<string, T>();
  for (const [name, value] of named) {
    const parts = name.split(".");
    const kept = parts.filter((part) => !wrappers.has(part));
    clean.set(kept.length > 0 ? kept.join(".") : name, value);
  }
  return clean.size === named.size ? clean : new Map(named);
}

/**
 * Names without what all of them begin with ("model.", "net.encoder."), whatever training code called it.
 *
 * @param isOwn tells which first parts of names are the model's own: nothing is taken away from there on
 * @example withoutCommonPrefix(new Map([["net.conv1.weight", w]]), (part) => part === "conv1") // "conv1.weight"
 */
export function withoutCommonPrefix<T>(
  named: ReadonlyMap<string, T>,
  isOwn: (firstPart: string) => boolean,
): Map<string, T> {
  checkMap(named, "Named values");
  checkFunction(isOwn, "The argument isOwn");
  let names = [...withoutWrappers(named).entries()];
  for (;;) {
    const first = names[0]?.[0] ?? "";
    const dot = first.indexOf(".");
    const prefix = first.slice(0, dot + 1);
    if (dot < 1 || isOwn(first.slice(0, dot)) || !names.every(([name]) => name.startsWith(prefix))) {
      return new Map(names);
    }
    names = names.map(([name, value]) => [name.slice(prefix.length), value]);
  }
}

/** The first names of a file, for errors that say that others were wanted. */
export function someNames(names: Iterable<string>, most = 4): string {
  if (typeof names !== "object" || names === null || !(Symbol.iterator in names)) {
    throw new VillaError("InvalidArgument", `Names must be given as a list, not as ${describe(names)}.`);
  }
  const all = [...names];
  checkList(all, "Names", isText);
  return `${all.slice(0, most).map(quote).join(", ")}${all.length > most ? `, … (${all.length} in all)` : ""}`;
}

function unwrap(value: unknown, depth: number): unknown {
  if (!(value instanceof Map) || depth > deepest) return value;
  const key = holders.find((name) => value.get(name) instanceof Map || value.get(name) instanceof TorchObject);
  return key === undefined ? value : unwrap(value.get(key), depth + 1);
}

interface Collection {
  readonly tensors: Map<string, TensorData>;
  readonly unsupported: Map<string, string>;
  entriesLeft: number;
}

function collect(value: unknown, prefix: string, depth: number, collection: Collection): void {
  const children = value instanceof TorchObject ? value.attributes : value;
  if (!(children instanceof Map)) return;
  if (depth > deepest) throw new VillaError("UnsafeFile", "The torch file is nested too deeply, or contains itself.");
  for (const [key, child] of children) {
    if (collection.entriesLeft-- <= 0)
      throw new VillaError("UnsafeFile", `The torch file has more than ${mostEntries} entries.`);
    // Keys of optimisers are numbers; others, such as tuples, name no tensors.
    if (typeof key !== "string" && typeof key !== "number") continue;
    const name = `${prefix}${key}`;
    if (name.length > longestName)
      throw new VillaError("UnsafeFile", `The torch file has names of more than ${longestName} characters.`);
    if (isTensorData(child)) collection.tensors.set(name, child);
    else if (child instanceof UnsupportedTensor) collection.unsupported.set(name, child.what);
    else if (isComplex(child)) collection.unsupported.set(name, "a tensor of complex numbers");
    else collect(child, `${name}.`, depth + 1, collection);
  }
}

const longestName = 10_000;

function isComplex(value: unknown): boolean {
  const dtype = (value as { dtype?: unknown } | null)?.dtype;
  return dtype === "complex64" || dtype === "complex128";
}
