import { VillaError } from "../../errors.ts";
import { checkText } from "../check-arguments.ts";
import { shorten } from "../describe.ts";
import { numpyGlobalList } from "../numpy/pickle-globals.ts";
import { builtinGlobals } from "../pickle/builtins.ts";
import {
  fixedGlobals,
  type PickleGlobal,
  type PickleGlobals,
  pickleGlobal,
  StatefulObject,
} from "../pickle/globals.ts";
import { rebuildGlobals } from "./rebuild.ts";
import type { RebuildOptions } from "./storage.ts";
import { dtypeNames, type ElementType, storageClassNames, storedType } from "./types.ts";

/** A module of a TorchScript archive: its attributes, as data. None of its code is read. */
export class TorchObject extends StatefulObject {
  readonly className: string;
  attributes: ReadonlyMap<string, unknown> = new Map();

  constructor(className: string) {
    super();
    checkText(className, "The name of a class");
    this.className = className;
  }

  /** Takes the state that the pickle gives. */
  setState(state: unknown): void {
    if (!(state instanceof Map)) throw malformed(`state of ${shorten(this.className)}`);
    const attributes = new Map<string, unknown>();
    for (const [name, value] of state) {
      if (typeof name !== "string") throw malformed(`state of ${shorten(this.className)}`);
      attributes.set(name, value);
    }
    this.attributes = attributes;
  }
}

const hint =
  "Open it in Python where that class is known, and save plain tensors: torch.save({k: v.detach().clone() for k, v in model.state_dict().items()}, path).";

/**
 * Everything a torch file's pickle may refer to. Classes of TorchScript modules (`__torch__.…`) become inert
 * {@link TorchObject}s.
 */
export function torchGlobals(options: RebuildOptions): PickleGlobals {
  const list = new Map<string, PickleGlobal>([
    ...builtinGlobals(options.allowance),
    ...numpyGlobalList(options.allowance),
    ...mentions(),
    ...rebuildGlobals(options),
    ["torch.Size", pickleGlobal("torch.Size", single("size"))],
    ["torch.device", pickleGlobal("torch.device", device)],
    ["torch.serialization._get_layout", pickleGlobal("_get_layout", layout)],
  ]);
  // TorchScript wraps lists in these to keep their element types.
  for (const name of ["intlist", "doublelist", "boollist", "tensorlist"]) {
    list.set(`torch.jit._pickle.build_${name}`, pickleGlobal(`build_${name}`, single("list")));
  }
  // (value, type)
  list.set(
    "torch.jit._pickle.restore_type_tag",
    pickleGlobal("restore_type_tag", (args) => {
      if (args.length !== 2) throw malformed("list");
      return args[0];
    }),
  );
  const fixed = fixedGlobals(list, hint);
  return (module, name) => {
    if (module === "__torch__" || module.startsWith("__torch__.")) {
      const className = `${module}.${name}`;
      return pickleGlobal(className, (args) => {
        if (args.length > 0) throw malformed("module");
        return new TorchObject(className);
      });
    }
    return fixed(module, name);
  };
}

/** What torch writes as a persistent id: ("storage", class, key, device, elements, …). */
export function parseStorageId(id: unknown): {
  type: ElementType;
  key: string;
  length: number;
  view: unknown;
} {
  if (!Array.isArray(id) || id[0] !== "storage") {
    throw new VillaError("UnsafeFile", "The torch file refers to data other than tensors outside of its pickle.");
  }
  const [, type, key, , length, view] = id as unknown[];
  if (id.length > 6 || typeof key !== "string" || typeof length !== "number") {
    throw new VillaError("InvalidFile", "The torch file has a malformed reference to a storage.");
  }
  return { type: storedType(type), key, length, view: view ?? null };
}

/** Names that may stand in a pickle, but make nothing: element types, storages, classes of tensors, schemes. */
function* mentions(): Generator<[string, PickleGlobal]> {
  for (const name of dtypeNames) yield [`torch.${name}`, pickleGlobal(`torch.${name}`)];
  for (const name of storageClassNames) {
    for (const module of ["torch", "torch.cuda", "torch.storage"]) yield [`${module}.${name}`, pickleGlobal(name)];
  }
  const schemes = ["per_tensor_affine", "per_tensor_symmetric", "per_channel_affine", "per_channel_symmetric"];
  for (const name of [...schemes, "per_channel_affine_float_qparams", "Tensor"]) {
    yield [`torch.${name}`, pickleGlobal(`torch.${name}`)];
  }
  const elements = ["Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool"];
  for (const module of ["torch", "torch.cuda", "torch.sparse", "torch.cuda.sparse"]) {
    for (const name of elements) yield [`${module}.${name}Tensor`, pickleGlobal(`${module}.${name}Tensor`)];
  }
}

/** A call that gives back its only argument, a list. */
function single(what: string): (args: readonly unknown[]) => unknown {
  return (args) => {
    if (args.length !== 1 || !Array.isArray(args[0])) throw malformed(what);
    return args[0];
  };
}

/** ("cuda", 0) → "cuda:0" */
function device(args: readonly unknown[]): string {
  const [type, index] = args;
  const isIndex = index === undefined || index === null || Number.isSafeInteger(index);
  if (args.length > 2 || typeof type !== "string" || type.length > 100 || !isIndex) throw malformed("device");
  return index === undefined || index === null ? type : `${type}:${index}`;
}

function layout(args: readonly unknown[]): string {
  const [name] = args;
  if (args.length !== 1 || typeof name !== "string" || !/^torch\.\w{1,40}$/.test(name)) throw malformed("layout");
  return name;
}

function malformed(what: string): VillaError {
  return new VillaError("InvalidFile", `The pickle is malformed: it has a broken torch ${what}.`);
}
