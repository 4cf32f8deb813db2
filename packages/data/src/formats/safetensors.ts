import { VillaError } from "../errors.ts";
import { checkBytes, checkFunction, checkMap, checkObject, checkText } from "./check-arguments.ts";
import { describe, describeShape, quote, shorten } from "./describe.ts";
import { Allowance, type ReadLimits } from "./limits.ts";
import { otherKind } from "./recognize.ts";
import {
  checkTensor,
  type DataType,
  decodeElements,
  elementCount,
  encodeElements,
  isNarrowFloat,
  itemSize,
  type TensorData,
} from "./tensor.ts";
import { StateDict } from "./torch/state-dict.ts";

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

/** One tensor as the header describes it. */
export interface SafetensorsEntry {
  readonly dtype: DataType;
  readonly shape: readonly number[];
  /** Absolute positions in the file. */
  readonly start: number;
  readonly end: number;
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

const typeCodes: Readonly<Record<DataType, string>> = {
  float64: "F64",
  float32: "F32",
  float16: "F16",
  bfloat16: "BF16",
  float8_e4m3fn: "F8_E4M3",
  float8_e5m2: "F8_E5M2",
  int64: "I64",
  int32: "I32",
  int16: "I16",
  int8: "I8",
  uint64: "U64",
  uint32: "U32",
  uint16: "U16",
  uint8: "U8",
  bool: "BOOL",
};
const dataTypes = new Map(Object.entries(typeCodes).map(([dtype, code]) => [code, dtype as DataType]));

/** Bits of an element of types that the format knows and this does not read. */
const unreadBits = new Map([
  ["F8_E8M0", 8],
  ["F8_E4M3FNUZ", 8],
  ["F8_E5M2FNUZ", 8],
  ["F6_E2M3", 6],
  ["F6_E3M2", 6],
  ["F4", 4],
  ["C64", 64],
]);

/** The limit of the official implementation. */
const longestHeader = 100_000_000;

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

/**
 * Writes a safetensors file: header padded to 8 bytes, tensors with the widest elements first, so that all are aligned.
 *
 * @param metadata strings only, as the format demands
 * @throws VillaError `InvalidArgument` when a tensor's data and shape disagree
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, TensorData>,
  metadata?: Readonly<Record<string, string>>,
): Uint8Array {
  checkMap(tensors, "The tensors of a safetensors file");
  for (const [name, tensor] of tensors) {
    checkText(name, "A tensor's name");
    checkTensor(tensor);
  }
  if (metadata !== undefined) {
    checkObject(metadata, "Metadata");
    for (const [key, text] of Object.entries(metadata)) checkText(text, `The metadata ${quote(key)}`);
  }
  const sorted = [...tensors].sort(
    ([nameA, a], [nameB, b]) => itemSize(b.dtype) - itemSize(a.dtype) || (nameA < nameB ? -1 : 1),
  );
  const header: Record<string, unknown> = Object.create(null);
  if (metadata) header.__metadata__ = metadata;
  const bodies: Uint8Array[] = [];
  let size = 0;
  for (const [name, tensor] of sorted) {
    if (name === "__metadata__") throw new VillaError("InvalidArgument", 'A tensor cannot be named "__metadata__".');
    const body = encodeElements(tensor);
    header[name] = { dtype: typeCodes[tensor.dtype], shape: tensor.shape, data_offsets: [size, size + body.length] };
    bodies.push(body);
    size += body.length;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const padded = Math.ceil(json.length / 8) * 8;
  const out = new Uint8Array(8 + padded + size).fill(0x20, 8, 8 + padded);
  new DataView(out.buffer).setBigUint64(0, BigInt(padded), true);
  out.set(json, 8);
  let at = 8 + padded;
  for (const body of bodies) {
    out.set(body, at);
    at += body.length;
  }
  return out;
}

function headerLength(start: Uint8Array, fileSize: number): number {
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const length = start.length < 8 ? Number.NaN : Number(view.getBigUint64(0, true));
  if (length > fileSize - 8 && length <= longestHeader && start[8] === 0x7b) {
    throw new VillaError(
      "InvalidFile",
      `The safetensors file is cut off: it has ${fileSize} bytes, and its header alone takes ${8 + length}.`,
    );
  }
  if (!(length <= fileSize - 8 && length <= longestHeader)) {
    throw new VillaError(
      "InvalidFile",
      `This is not a safetensors file${otherKind(start) || ", or it is truncated within its header"}.`,
    );
  }
  return length;
}

interface Header {
  readonly entries: Map<string, SafetensorsEntry>;
  readonly metadata: Record<string, string>;
  readonly unsupported: Map<string, string>;
  /** @throws VillaError `InvalidFile` when the tensors do not fill the file exactly */
  checkRanges(): void;
}

function parseHeader(bytes: Uint8Array, fileSize: number): Header {
  const header = parseJsonObject(bytes);
  const dataStart = 8 + bytes.length;
  const entries = new Map<string, SafetensorsEntry>();
  const unsupported = new Map<string, string>();
  // Names come from outside: no prototype that they could collide with.
  const metadata: Record<string, string> = Object.create(null);
  const ranges: [start: number, end: number][] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") {
      for (const [key, text] of Object.entries(asObject(value, name))) {
        if (typeof text !== "string")
          throw malformedEntry(`its metadata ${quote(key)} is ${describe(text)}, not a text`);
        metadata[key] = text;
      }
    } else {
      const entry = parseEntry(name, asObject(value, name), dataStart, fileSize);
      ranges.push([entry.start, entry.end]);
      if (entry.dtype === undefined) unsupported.set(name, entry.type);
      else entries.set(name, entry as SafetensorsEntry);
    }
  }
  const checkRanges = () => {
    // The format allows neither gaps nor overlaps: where there are some, the header is not this file's.
    let at = dataStart;
    for (const [start, end] of ranges.sort(([startA, endA], [startB, endB]) => startA - startB || endA - endB)) {
      if (start !== at) throw malformedEntry("its tensors overlap or leave gaps");
      at = end;
    }
    if (at !== fileSize) throw malformedEntry(`its tensors end at byte ${at} of ${fileSize}`);
  };
  return { entries, metadata, unsupported, checkRanges };
}

/** An entry; without a `dtype` when its type is not read. */
function parseEntry(
  name: string,
  { dtype: code, shape, data_offsets: offsets }: Record<string, unknown>,
  dataStart: number,
  fileSize: number,
): Omit<SafetensorsEntry, "dtype"> & { readonly dtype: DataType | undefined; readonly type: string } {
  const invalid = (why: string) => malformedEntry(`its tensor ${quote(name)} ${why}`);
  if (typeof code !== "string") throw invalid(`is of the type ${describe(code)}`);
  if (!isWholeNumbers(shape) || !isWholeNumbers(offsets) || offsets.length !== 2) throw invalid("is badly described");
  const [start, end] = offsets as [number, number];
  if (start > end || dataStart + end > fileSize) throw invalid("lies outside of the file; it may be truncated");
  const dtype = dataTypes.get(code);
  const bits = dtype ? 8 * itemSize(dtype) : unreadBits.get(code);
  if (bits !== undefined && elementCount(shape) * bits !== 8 * (end - start)) {
    throw invalid(`has a size that is not its shape ${describeShape(shape)}`);
  }
  return { dtype, type: shorten(code), shape, start: dataStart + start, end: dataStart + end };
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

function parseJsonObject(bytes: Uint8Array): Record<string, unknown> {
  try {
    return asObject(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)), "header");
  } catch (cause) {
    throw new VillaError("InvalidFile", "The safetensors file has a header that is not JSON.", { cause });
  }
}

function asObject(value: unknown, name: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw malformedEntry(`its entry ${quote(name)} is ${describe(value)}`);
}

function malformedEntry(why: string): VillaError {
  return new VillaError("InvalidFile", `The safetensors file has a malformed header: ${why}.`);
}

function unsupportedType([name, type]: readonly [string, string]): VillaError {
  return new VillaError(
    "Unsupported",
    `The safetensors file's tensor ${quote(name)} is of type ${type}, which is not read.`,
  );
}

function isWholeNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.length <= 64 && value.every((item) => Number.isSafeInteger(item) && item >= 0);
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
