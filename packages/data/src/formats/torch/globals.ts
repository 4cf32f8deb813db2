import { VillaError } from "../../errors.ts";
import { numpyGlobalList } from "../numpy/pickle-globals.ts";
import {
  builtinGlobals,
  fixedGlobals,
  isPickleGlobal,
  type PickleGlobal,
  type PickleGlobals,
  pickleGlobal,
  StatefulObject,
} from "../pickle/globals.ts";
import { type DataType, itemSize } from "../tensor.ts";
import { type RebuildOptions, rebuildTensor, TorchStorage } from "./storage.ts";

/** A module of a TorchScript archive: its attributes, as data. None of its code is read. */
export class TorchObject extends StatefulObject {
  readonly className: string;
  attributes: ReadonlyMap<string, unknown> = new Map();

  constructor(className: string) {
    super();
    this.className = className;
  }

  /** Takes the state that the pickle gives. */
  setState(state: unknown): void {
    if (!(state instanceof Map)) throw malformed(`state of ${this.className}`);
    this.attributes = new Map([...state].map(([name, value]) => [String(name), value]));
  }
}

const storageTypes: Readonly<Record<string, DataType>> = {
  DoubleStorage: "float64",
  FloatStorage: "float32",
  HalfStorage: "float16",
  BFloat16Storage: "bfloat16",
  LongStorage: "int64",
  IntStorage: "int32",
  ShortStorage: "int16",
  CharStorage: "int8",
  ByteStorage: "uint8",
  BoolStorage: "bool",
  UntypedStorage: "uint8",
};

const dtypeNames: Readonly<Record<string, DataType>> = {
  float64: "float64",
  float32: "float32",
  float16: "float16",
  bfloat16: "bfloat16",
  int64: "int64",
  int32: "int32",
  int16: "int16",
  int8: "int8",
  uint64: "uint64",
  uint32: "uint32",
  uint16: "uint16",
  uint8: "uint8",
  bool: "bool",
};

const hint = "Save tensors, e.g. model.state_dict(), rather than whole Python objects.";

/**
 * Everything a torch file's pickle may refer to. Classes of TorchScript modules (`__torch__.…`) become inert
 * {@link TorchObject}s.
 */
export function torchGlobals(options: RebuildOptions): PickleGlobals {
  const list = new Map<string, PickleGlobal>([
    ...builtinGlobals(),
    ...numpyGlobalList(options.allowance),
    ...storageGlobals(),
    ...rebuildGlobals(options),
    ["torch.Size", pickleGlobal("torch.Size", ([sides]) => sides)],
    ["torch.device", pickleGlobal("torch.device", (args) => args.join(":"))],
  ]);
  for (const name of Object.keys(dtypeNames)) list.set(`torch.${name}`, pickleGlobal(`torch.${name}`));
  // TorchScript wraps lists in these to keep their element types.
  for (const name of ["intlist", "doublelist", "boollist", "tensorlist"]) {
    list.set(
      `torch.jit._pickle.build_${name}`,
      pickleGlobal(`build_${name}`, ([items]) => items),
    );
  }
  list.set(
    "torch.jit._pickle.restore_type_tag",
    pickleGlobal("restore_type_tag", ([value]) => value),
  );
  const fixed = fixedGlobals(list, hint);
  return (module, name) => {
    if (module === "__torch__" || module.startsWith("__torch__.")) {
      const className = `${module}.${name}`;
      return pickleGlobal(className, () => new TorchObject(className));
    }
    return fixed(module, name);
  };
}

/** The element type that a storage class or a `torch.dtype` in a pickle stands for. */
function storageType(value: unknown): DataType {
  const name = isPickleGlobal(value) ? value.name : String(value);
  const dtype = Object.hasOwn(storageTypes, name) ? storageTypes[name] : undefined;
  if (!dtype) throw new VillaError("Unsupported", `The file holds a torch ${name}, which cannot be read.`);
  return dtype;
}

/** What torch writes as a persistent id: ("storage", class, key, device, elements, …). */
export function parseStorageId(id: unknown): {
  type: DataType;
  key: string;
  length: number;
  view: unknown;
} {
  if (!Array.isArray(id) || id[0] !== "storage") {
    throw new VillaError("UnsafeFile", "The torch file refers to data other than tensors outside of its pickle.");
  }
  const [, type, key, , length, view] = id as unknown[];
  if (typeof key !== "string" || typeof length !== "number") {
    throw new VillaError("InvalidFile", "The torch file has a malformed reference to a storage.");
  }
  return { type: storageType(type), key, length, view: view ?? null };
}

function storageGlobals(): [string, PickleGlobal][] {
  // Unsupported types are listed too, so that they are reported as what they are, not as unsafe.
  const unsupported = ["ComplexFloatStorage", "ComplexDoubleStorage", "QInt8Storage", "QUInt8Storage", "QInt32Storage"];
  return [...Object.keys(storageTypes), ...unsupported].flatMap((name): [string, PickleGlobal][] =>
    ["torch", "torch.cuda", "torch.storage"].map((module) => [`${module}.${name}`, pickleGlobal(name)]),
  );
}

function rebuildGlobals(options: RebuildOptions): [string, PickleGlobal][] {
  const tensor = (args: readonly unknown[]): unknown => {
    const [storage, offset, shape, strides] = args;
    if (!(storage instanceof TorchStorage) || typeof offset !== "number") throw malformed("tensor");
    return rebuildTensor(storage, { offset, shape: numbers(shape), strides: numbers(strides) }, options);
  };
  /** Storages without a type: the tensor brings it. */
  const tensorV3 = (args: readonly unknown[]): unknown => {
    const [storage, offset, shape, strides, , , type] = args;
    const name = isPickleGlobal(type) ? type.name.replace(/^torch\./, "") : "";
    const dtype = Object.hasOwn(dtypeNames, name) ? dtypeNames[name] : undefined;
    if (!(storage instanceof TorchStorage) || !dtype) throw malformed("tensor");
    const { bytes } = storage;
    const width = itemSize(dtype);
    return tensor([new TorchStorage(dtype, Math.floor(bytes.length / width), bytes), offset, shape, strides]);
  };
  const rebuilders: Record<string, (args: readonly unknown[]) => unknown> = {
    _rebuild_tensor: tensor,
    _rebuild_tensor_v2: tensor,
    _rebuild_tensor_v3: tensorV3,
    _rebuild_parameter: ([data]) => data,
    _rebuild_parameter_with_state: ([data]) => data,
  };
  return Object.entries(rebuilders).map(([name, call]) => [`torch._utils.${name}`, pickleGlobal(name, call)]);
}

function numbers(values: unknown): number[] {
  if (!Array.isArray(values) || !values.every((value) => typeof value === "number")) throw malformed("tensor");
  return values;
}

function malformed(what: string): VillaError {
  return new VillaError("InvalidFile", `The pickle is malformed: it has a broken torch ${what}.`);
}
