// What stands before the tensors of a safetensors file: JSON that says of each its type, shape and place.
import { VillaError } from "../../errors.ts";
import { describe, describeShape, quote, shorten } from "../describe.ts";
import { otherKind } from "../recognize.ts";
import { type DataType, elementCount, itemSize } from "../tensor.ts";

/** One tensor as the header describes it. */
export interface SafetensorsEntry {
  readonly dtype: DataType;
  readonly shape: readonly number[];
  /** Absolute positions in the file. */
  readonly start: number;
  readonly end: number;
}

/** The format's names of types. */
export const typeCodes: Readonly<Record<DataType, string>> = {
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
 * How many bytes of JSON follow the first eight of a file.
 *
 * @param start the first bytes of the file, 64 if it has them
 * @throws VillaError `InvalidFile`
 */
export function headerLength(start: Uint8Array, fileSize: number): number {
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

/** @throws VillaError `InvalidFile` for a header that is not sound in itself or points outside of the file */
export function parseHeader(bytes: Uint8Array, fileSize: number): Header {
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

function isWholeNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.length <= 64 && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}
