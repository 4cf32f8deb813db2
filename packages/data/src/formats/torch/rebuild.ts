import { VillaError } from "../../errors.ts";
import { describe } from "../describe.ts";
import type { Allowance } from "../limits.ts";
import type { ComplexArray } from "../numpy/array.ts";
import { isPickleGlobal, type PickleGlobal, pickleGlobal } from "../pickle/globals.ts";
import { isTensorData, type TensorData } from "../tensor.ts";
import { convertTo, dequantize, negate } from "./convert.ts";
import { densify } from "./sparse.ts";
import { type RebuildOptions, rebuildTensor, TorchStorage } from "./storage.ts";
import { dtypeOf, UnsupportedTensor } from "./types.ts";

type Rebuilder = (args: readonly unknown[]) => unknown;

/**
 * The functions that torch's pickles call to make tensors: all that `torch.load(weights_only=True)` allows. Each knows
 * every one of its arguments; more of them, or others, are refused, since they may change the values.
 */
export function rebuildGlobals(options: RebuildOptions): [string, PickleGlobal][] {
  const { allowance } = options;
  const tensor: Rebuilder = ([storage, offset, shape, strides]) => {
    if (!(storage instanceof TorchStorage) || typeof offset !== "number") throw malformed("tensor");
    return rebuildTensor(storage, { offset, shape: numbers(shape), strides: numbers(strides) }, options);
  };
  const tensorV2: Rebuilder = (args) => {
    const [, , , , requiresGrad, hooks, metadata] = args;
    checkTraining(requiresGrad, hooks);
    return withMetadata(tensor(args), metadata, allowance);
  };
  /** Storages without a type: the tensor brings it. */
  const tensorV3: Rebuilder = ([storage, offset, shape, strides, requiresGrad, hooks, dtype, metadata]) => {
    if (!(storage instanceof TorchStorage)) throw malformed("tensor");
    checkTraining(requiresGrad, hooks);
    const type = dtypeOf(dtype);
    const typed = new TorchStorage(type, Math.floor(storage.bytes.length / type.size), storage.bytes);
    return withMetadata(tensor([typed, offset, shape, strides]), metadata, allowance);
  };
  const quantized: Rebuilder = ([storage, offset, shape, strides, quantizer, requiresGrad, hooks]) => {
    if (!(storage instanceof TorchStorage) || !Array.isArray(quantizer)) throw malformed("quantised tensor");
    checkTraining(requiresGrad, hooks);
    const stored = tensor([storage, offset, shape, strides]);
    if (stored instanceof UnsupportedTensor) return stored;
    if (storage.type.kind !== "quantized" || !isTensorData(stored)) throw malformed("quantised tensor");
    return dequantize(stored, quantizer, allowance);
  };
  const parameter: Rebuilder = ([data, requiresGrad, hooks]) => {
    checkTraining(requiresGrad, hooks);
    return anyTensor(data);
  };
  /** From another device, by way of NumPy or the CPU: (data, dtype, device, requires_grad). */
  const fromDevice: Rebuilder = ([data, dtype, device, requiresGrad]) => {
    if (typeof device !== "string") throw malformed("device");
    checkTraining(requiresGrad, undefined);
    if (data instanceof UnsupportedTensor) return data;
    if (!isTensorData(data)) throw malformed("tensor");
    return convertTo(data, dtypeOf(dtype), options);
  };
  /** (function, type, args, state): a tensor of a subclass, or with Python attributes, which are of no use here. */
  const fromType: Rebuilder = ([rebuild, type, args]) => {
    if (!isPickleGlobal(rebuild) || !rebuild.call || !rebuild.name.startsWith("_rebuild")) throw malformed("tensor");
    if (!isPickleGlobal(type) || !Array.isArray(args)) throw malformed("tensor");
    return rebuild.call(args);
  };
  const sparse: Rebuilder = ([layout, data]) => {
    if (typeof layout !== "string") throw malformed("sparse tensor");
    return densify(layout, data, allowance);
  };
  const refuse =
    (what: string): Rebuilder =>
    () =>
      new UnsupportedTensor(what);

  const rebuilders: [name: string, fewest: number, most: number, rebuild: Rebuilder][] = [
    ["_rebuild_tensor", 4, 4, tensor],
    ["_rebuild_tensor_v2", 6, 7, tensorV2],
    ["_rebuild_tensor_v3", 7, 8, tensorV3],
    ["_rebuild_qtensor", 7, 7, quantized],
    ["_rebuild_parameter", 3, 3, parameter],
    ["_rebuild_parameter_with_state", 4, 4, parameter],
    ["_rebuild_sparse_tensor", 2, 2, sparse],
    ["_rebuild_sparse_csr_tensor", 2, 2, sparse],
    ["_rebuild_device_tensor_from_numpy", 4, 4, fromDevice],
    ["_rebuild_device_tensor_from_cpu_tensor", 4, 4, fromDevice],
    ["_rebuild_xla_tensor", 4, 4, fromDevice],
    ["_rebuild_meta_tensor_no_storage", 4, 4, refuse("a tensor without data (device meta)")],
    ["_rebuild_nested_tensor", 4, 4, refuse("a nested tensor")],
    ["_rebuild_wrapper_subclass", 8, 8, refuse("a tensor that wraps others")],
  ];
  const checked = (name: string, fewest: number, most: number, rebuild: Rebuilder): PickleGlobal =>
    pickleGlobal(name, (args) => {
      if (args.length < fewest || args.length > most) {
        throw new VillaError(
          "Unsupported",
          `The torch file calls ${name} with ${args.length} arguments, of which only ${most} are known; save it with an older torch.`,
        );
      }
      return rebuild(args);
    });
  const fromTypes = ["_rebuild_from_type", "_rebuild_from_type_v2"].map((name): [string, PickleGlobal] => [
    `torch._tensor.${name}`,
    checked(name, 4, 4, fromType),
  ]);
  return [
    ...fromTypes,
    ...rebuilders.map(([name, fewest, most, rebuild]): [string, PickleGlobal] => [
      `torch._utils.${name}`,
      checked(name, fewest, most, rebuild),
    ]),
    ["torch.nn.parameter.Parameter", pickleGlobal("Parameter", ([data]) => anyTensor(data))],
  ];
}

/** What training needs and reading does not: whether gradients are wanted, and hooks, which torch leaves empty. */
function checkTraining(requiresGrad: unknown, hooks: unknown): void {
  const areHooks = hooks === undefined || hooks === null || (hooks instanceof Map && hooks.size === 0);
  if (typeof requiresGrad !== "boolean" || !areHooks) throw malformed("tensor");
}

/** Torch's lazy views: a tensor whose values are still to be negated or conjugated. */
function withMetadata(value: unknown, metadata: unknown, allowance: Allowance): unknown {
  if (metadata === undefined || metadata === null) return value;
  if (!(metadata instanceof Map)) throw malformed("tensor");
  for (const [key, flag] of metadata) {
    if ((key !== "conj" && key !== "neg") || typeof flag !== "boolean") {
      throw new VillaError("Unsupported", `The torch file has a tensor with the unknown property ${describe(key)}.`);
    }
  }
  if (value instanceof UnsupportedTensor) return value;
  let tensor = value as TensorData | ComplexArray;
  if (metadata.get("conj") === true) {
    if (isTensorData(tensor)) throw malformed("tensor");
    tensor = negate(tensor, allowance, { imaginaryOnly: true });
  }
  return metadata.get("neg") === true ? negate(tensor, allowance) : tensor;
}

function anyTensor(data: unknown): unknown {
  const dtype = (data as Partial<ComplexArray> | null)?.dtype;
  const isTensor = isTensorData(data) || dtype === "complex64" || dtype === "complex128";
  if (!isTensor && !(data instanceof UnsupportedTensor)) throw malformed("parameter");
  return data;
}

function numbers(values: unknown): number[] {
  if (!Array.isArray(values) || !values.every((value) => typeof value === "number")) throw malformed("tensor");
  return values;
}

function malformed(what: string): VillaError {
  return new VillaError("InvalidFile", `The pickle is malformed: it has a broken torch ${what}.`);
}
