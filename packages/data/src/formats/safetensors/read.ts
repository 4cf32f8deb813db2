import { VillaError } from "../../errors.ts";
import { checkBytes, checkFunction, checkObject } from "../check-arguments.ts";
import { describe, quote } from "../describe.ts";
import { Allowance, type ReadLimits } from "../limits.ts";
import { decodeElements, isNarrowFloat, itemSize, type TensorData } from "../tensor.ts";
import { StateDict } from "../torch/state-dict.ts";
import { headerLength, parseHeader, type SafetensorsEntry } from "./header.ts";

/** Options of the safetensors readers. */
export interface SafetensorsOptions extends ReadLimits {
  /** Leave float16 and bfloat16 as their bits in a Uint16Array instead of widening them. */
  readonly raw?: boolean | undefined;
}

/** Where bytes can be had by range: a file, a URL, memory. */
export interface RangeSource {
  readonly size: number;
  /** Bytes from `start` up to but not including `end`. */
  read(start: number, end: number): Promise<Uint8Array>;
}

/** A safetensors file of which only the header has been read. */
export interface SafetensorsFile {
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: Readonly<Record<string, string>>;
  /** Tensors of types that are not read: name → type, as the file has it. */
  readonly unsupported: ReadonlyMap<string, string>;
  /** Reads one tensor. @throws VillaError `InvalidArgument` when there is none of that name, `Unsupported` */
  tensor(name: string): Promise<TensorData>;
}

/**
 * Reads all tensors of a safetensors file. They are views of `bytes` where alignment and type allow.
 *
 * Tensors of types that are not read (6- and 4-bit floats, for instance) do not keep the others from being read: they
 * are named in `unsupported`.
 *
 * @throws VillaError `InvalidFile` for damaged or truncated files and offsets outside of the file, `Unsupported` when no
 *   tensor is of a type that is read, `UnsafeFile` when widening would exceed the memory limit
 */
export function readSafetensors(
  bytes: Uint8Array,
  options: SafetensorsOptions = {},
): { tensors: StateDict; metadata: Record<string, string>; unsupported: ReadonlyMap<string, string> } {
  checkBytes(bytes);
  const length = headerLength(bytes.subarray(0, 64), bytes.length);
  const { entries, metadata, unsupported, checkRanges } = parseHeader(bytes.subarray(8, 8 + length), bytes.length);
  const allowance = new Allowance(bytes.length, options);
  const tensors = new Map<string, TensorData>();
  for (const [name, entry] of entries) {
    tensors.set(name, decode(bytes.subarray(entry.start, entry.end), entry, allowance, options));
  }
  checkRanges();
  const [first] = unsupported;
  if (first && tensors.size === 0) throw unsupportedType(first);
  return { tensors: new StateDict(tensors, unsupported), metadata, unsupported };
}

/**
 * Reads the header only; tensors are read by range when asked for, so a file may be larger than memory.
 *
 * @example const file = await openSafetensors(await fileSource("model.safetensors")); // fileSource: @villa/data/node
 *   const weight = await file.tensor("visual.conv1.weight");
 * @throws VillaError as {@link readSafetensors}
 */
export async function openSafetensors(
  source: RangeSource | Uint8Array,
  options: SafetensorsOptions = {},
): Promise<SafetensorsFile> {
  if (!(source instanceof Uint8Array)) checkSource(source);
  const ranges = source instanceof Uint8Array ? memorySource(source) : source;
  const length = headerLength(await ranges.read(0, Math.min(64, ranges.size)), ranges.size);
  const header = parseHeader(await ranges.read(8, 8 + length), ranges.size);
  const { entries, metadata, unsupported } = header;
  header.checkRanges();
  const [first] = unsupported;
  if (first && entries.size === 0) throw unsupportedType(first);
  return {
    entries,
    metadata,
    unsupported,
    async tensor(name) {
      const entry = entries.get(name);
      const type = unsupported.get(name);
      if (type !== undefined) throw unsupportedType([name, type]);
      if (!entry) throw new VillaError("InvalidArgument", `The safetensors file has no tensor ${describe(name)}.`);
      const allowance = new Allowance(entry.end - entry.start, options);
      return decode(await ranges.read(entry.start, entry.end), entry, allowance, options);
    },
  };
}

function decode(
  bytes: Uint8Array,
  { dtype, shape, start, end }: SafetensorsEntry,
  allowance: Allowance,
  { raw = false }: SafetensorsOptions,
): TensorData {
  if (bytes.length !== end - start) throw new VillaError("InvalidFile", "The safetensors file is truncated.");
  if (!raw && isNarrowFloat(dtype)) allowance.take((4 * bytes.length) / itemSize(dtype), "A tensor");
  return decodeElements(bytes, dtype, [...shape], { raw });
}

function unsupportedType([name, type]: readonly [string, string]): VillaError {
  return new VillaError(
    "Unsupported",
    `The safetensors file's tensor ${quote(name)} is of type ${type}, which is not read.`,
  );
}

/** @throws VillaError `InvalidArgument` unless it can be read by range */
export function checkSource(source: RangeSource): void {
  checkObject(source, "A source of bytes");
  checkFunction(source.read, "A source's read");
  if (!(Number.isSafeInteger(source.size) && source.size >= 0)) {
    throw new VillaError(
      "InvalidArgument",
      `The size of a source of bytes must be a number of bytes, not ${describe(source.size)}.`,
    );
  }
}

function memorySource(bytes: Uint8Array): RangeSource {
  return { size: bytes.length, read: async (start, end) => bytes.subarray(start, end) };
}
