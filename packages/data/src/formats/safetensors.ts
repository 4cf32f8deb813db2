import { VillaError } from "../errors.ts";
import { Allowance, type ReadLimits } from "./limits.ts";
import { type DataType, decodeElements, elementCount, encodeElements, itemSize, type TensorData } from "./tensor.ts";

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
  /** Reads one tensor. @throws VillaError `InvalidArgument` when there is none of that name */
  tensor(name: string): Promise<TensorData>;
}

const typeCodes: Readonly<Record<DataType, string>> = {
  float64: "F64",
  float32: "F32",
  float16: "F16",
  bfloat16: "BF16",
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

/** The limit of the official implementation. */
const longestHeader = 100_000_000;

/**
 * Reads all tensors of a safetensors file. They are views of `bytes` where alignment and type allow.
 *
 * @throws VillaError `InvalidFile` for damaged or truncated files and offsets outside of the file, `Unsupported` for
 *   8-bit floats, `UnsafeFile` when widening would exceed the memory limit
 */
export function readSafetensors(
  bytes: Uint8Array,
  options: SafetensorsOptions = {},
): { tensors: Map<string, TensorData>; metadata: Record<string, string> } {
  const length = headerLength(bytes.subarray(0, 8), bytes.length);
  const { entries, metadata } = parseHeader(bytes.subarray(8, 8 + length), bytes.length);
  const allowance = new Allowance(bytes.length, options);
  const tensors = new Map<string, TensorData>();
  for (const [name, entry] of entries) {
    tensors.set(name, decode(bytes.subarray(entry.start, entry.end), entry, allowance, options));
  }
  return { tensors, metadata };
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
  const ranges = source instanceof Uint8Array ? memorySource(source) : source;
  const length = headerLength(await ranges.read(0, Math.min(8, ranges.size)), ranges.size);
  const { entries, metadata } = parseHeader(await ranges.read(8, 8 + length), ranges.size);
  return {
    entries,
    metadata,
    async tensor(name) {
      const entry = entries.get(name);
      if (!entry) throw new VillaError("InvalidArgument", `The safetensors file has no tensor "${name}".`);
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
  if (!(length <= fileSize - 8 && length <= longestHeader)) {
    throw new VillaError("InvalidFile", "This is not a safetensors file, or it is truncated within its header.");
  }
  return length;
}

function parseHeader(
  bytes: Uint8Array,
  fileSize: number,
): { entries: Map<string, SafetensorsEntry>; metadata: Record<string, string> } {
  const header = parseJsonObject(bytes);
  const dataStart = 8 + bytes.length;
  const entries = new Map<string, SafetensorsEntry>();
  const metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") {
      for (const [key, text] of Object.entries(asObject(value, name))) metadata[key] = String(text);
    } else {
      entries.set(name, parseEntry(name, asObject(value, name), dataStart, fileSize));
    }
  }
  return { entries, metadata };
}

function parseEntry(
  name: string,
  { dtype: code, shape, data_offsets: offsets }: Record<string, unknown>,
  dataStart: number,
  fileSize: number,
): SafetensorsEntry {
  const invalid = (why: string) => new VillaError("InvalidFile", `The safetensors file's tensor "${name}" ${why}.`);
  const dtype = dataTypes.get(String(code));
  if (!dtype)
    throw new VillaError("Unsupported", `The safetensors file's tensor "${name}" is of type ${String(code)}.`);
  if (!isWholeNumbers(shape) || !isWholeNumbers(offsets) || offsets.length !== 2) throw invalid("is badly described");
  const [start, end] = offsets as [number, number];
  if (start > end || dataStart + end > fileSize) throw invalid("lies outside of the file; it may be truncated");
  if (elementCount(shape) * itemSize(dtype) !== end - start)
    throw invalid(`has a size that is not its shape [${shape}]`);
  return { dtype, shape, start: dataStart + start, end: dataStart + end };
}

function decode(
  bytes: Uint8Array,
  { dtype, shape, start, end }: SafetensorsEntry,
  allowance: Allowance,
  { raw = false }: SafetensorsOptions,
): TensorData {
  if (bytes.length !== end - start) throw new VillaError("InvalidFile", "The safetensors file is truncated.");
  if (!raw && itemSize(dtype) === 2) allowance.take(2 * bytes.length, "A tensor");
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
  throw new VillaError("InvalidFile", `The safetensors file's header has a malformed entry "${name}".`);
}

function isWholeNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

function memorySource(bytes: Uint8Array): RangeSource {
  return { size: bytes.length, read: async (start, end) => bytes.subarray(start, end) };
}
