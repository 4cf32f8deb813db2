import { VillaError } from "../../errors.ts";
import { checkBytes } from "../check-arguments.ts";
import { quote } from "../describe.ts";
import { Allowance, type ReadLimits } from "../limits.ts";
import { otherKind } from "../recognize.ts";
import { crc32 } from "./crc32.ts";
import { inflateExactly } from "./inflate.ts";

/** One file of a ZIP archive, as its central directory describes it. */
export interface ZipEntry {
  readonly name: string;
  readonly compressed: boolean;
  readonly compressedSize: number;
  readonly size: number;
  readonly crc32: number;
  /** Where its local header starts. */
  readonly offset: number;
}

/** A ZIP archive in memory whose files are read one at a time. */
export interface ZipArchive {
  readonly entries: ReadonlyMap<string, ZipEntry>;
  /** The contents of one file: a view of the archive when it is stored, decompressed and checked when not. */
  read(name: string): Uint8Array;
}

/** How an archive is read. */
export interface ZipOptions extends ReadLimits {
  /** Compare stored contents with their checksum too (default true). Compressed contents are always compared. */
  readonly checksums?: boolean | undefined;
  /** What the contents are charged to, together with whatever else a reader allocates; else an allowance of its own. */
  readonly allowance?: Allowance | undefined;
}

const endSignature = 0x06054b50;
const end64Signature = 0x06064b50;
const end64LocatorSignature = 0x07064b50;
const centralSignature = 0x02014b50;
const signatureSignature = 0x05054b50;
const localSignature = 0x04034b50;
/** Deflate cannot expand more than this: a file that declares more lies. */
const largestDeflateRatio = 1032;

/** True when `bytes` start like a ZIP archive. */
export function looksLikeZip(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2]! < 9;
}

/**
 * Reads the central directory of a ZIP archive (ZIP64 too). Nothing is decompressed until {@link ZipArchive.read}.
 *
 * @param what the kind of file for error messages, e.g. "NPZ file"
 * @throws VillaError `InvalidFile` when the archive is damaged, `Unsupported` when it is encrypted or split
 */
export function openZip(bytes: Uint8Array, what = "ZIP archive", options: ZipOptions = {}): ZipArchive {
  checkBytes(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries = readDirectory(bytes, view, what);
  const allowance = options.allowance ?? new Allowance(bytes.length, options);
  return {
    entries,
    read(name) {
      const entry = entries.get(name);
      if (!entry) throw new VillaError("InvalidFile", `The ${what} has no member ${quote(name)}.`);
      return readEntry(bytes, view, entry, allowance, options.checksums ?? true, what);
    },
  };
}

function readEntry(
  bytes: Uint8Array,
  view: DataView,
  entry: ZipEntry,
  allowance: Allowance,
  checkStored: boolean,
  what: string,
): Uint8Array {
  const { name, offset, size, compressedSize } = entry;
  const broken = () => new VillaError("InvalidFile", `The ${what} is damaged: member ${quote(name)} cannot be read.`);
  if (offset + 30 > bytes.length || view.getUint32(offset, true) !== localSignature) throw broken();
  const nameLength = view.getUint16(offset + 26, true);
  const start = offset + 30 + nameLength + view.getUint16(offset + 28, true);
  const localName = new TextDecoder().decode(bytes.subarray(offset + 30, offset + 30 + nameLength));
  const method = view.getUint16(offset + 8, true);
  if (localName !== name || method !== (entry.compressed ? 8 : 0)) throw broken();
  if (start + compressedSize > bytes.length) throw broken();
  const stored = bytes.subarray(start, start + compressedSize);
  if (!entry.compressed) {
    if (size !== compressedSize || (checkStored && crc32(stored) !== entry.crc32)) throw broken();
    return stored;
  }
  if (size > compressedSize * largestDeflateRatio + 64) {
    throw new VillaError("UnsafeFile", `The ${what} declares an impossible size for its member ${quote(name)}.`);
  }
  allowance.take(size, `Member ${quote(name)} of the ${what}`);
  const contents = inflate(stored, size, broken);
  if (contents.length !== size || crc32(contents) !== entry.crc32) throw broken();
  return contents;
}

function inflate(stored: Uint8Array, size: number, broken: () => VillaError): Uint8Array {
  try {
    return inflateExactly(stored, size);
  } catch (cause) {
    const error = broken();
    error.cause = cause;
    throw error;
  }
}

function readDirectory(bytes: Uint8Array, view: DataView, what: string): Map<string, ZipEntry> {
  const truncated = () =>
    new VillaError(
      "InvalidFile",
      `The ${what} is truncated or not a ZIP archive${looksLikeZip(bytes) ? "" : otherKind(bytes)}.`,
    );
  const { count, start, end } = locateDirectory(bytes, view, what, truncated);
  const entries = new Map<string, ZipEntry>();
  let at = start;
  for (let i = 0; i < count; i++) {
    if (at + 46 > end || view.getUint32(at, true) !== centralSignature) throw truncated();
    const nameLength = view.getUint16(at + 28, true);
    const extraLength = view.getUint16(at + 30, true);
    const next = at + 46 + nameLength + extraLength + view.getUint16(at + 32, true);
    if (next > end) throw truncated();
    const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameLength));
    const flags = view.getUint16(at + 8, true);
    const method = view.getUint16(at + 10, true);
    if (flags & 1) throw new VillaError("Unsupported", `The ${what} is encrypted.`);
    if (method !== 0 && method !== 8) {
      throw new VillaError("Unsupported", `The ${what} uses compression method ${method}; save it stored or deflated.`);
    }
    if (entries.has(name)) throw new VillaError("InvalidFile", `The ${what} has two members named ${quote(name)}.`);
    const sizes = wideSizes(view, at, at + 46 + nameLength, extraLength, truncated);
    entries.set(name, { name, compressed: method === 8, crc32: view.getUint32(at + 16, true), ...sizes });
    at = next;
  }
  // What comes after the last entry may only be a digital signature.
  const rest = end - at;
  const isSignature = rest >= 6 && view.getUint32(at, true) === signatureSignature;
  if (rest !== 0 && !(isSignature && rest === 6 + view.getUint16(at + 4, true))) {
    throw new VillaError(
      "InvalidFile",
      `The ${what} is damaged: its directory counts ${count} members but holds more.`,
    );
  }
  return entries;
}

/** Sizes and offset of a central directory entry; those that do not fit 32 bits are in its ZIP64 extra field. */
function wideSizes(
  view: DataView,
  at: number,
  extraStart: number,
  extraLength: number,
  truncated: () => VillaError,
): Pick<ZipEntry, "size" | "compressedSize" | "offset"> {
  let compressedSize = view.getUint32(at + 20, true);
  let size = view.getUint32(at + 24, true);
  let offset = view.getUint32(at + 42, true);
  const extraEnd = extraStart + extraLength;
  for (let field = extraStart; field + 4 <= extraEnd; ) {
    const fieldEnd = field + 4 + view.getUint16(field + 2, true);
    if (fieldEnd > extraEnd) break;
    if (view.getUint16(field, true) === 1) {
      let next = field + 4;
      const wide = (): number => {
        if (next + 8 > fieldEnd) throw truncated();
        next += 8;
        return safeUint64(view, next - 8, truncated);
      };
      if (size === 0xffffffff) size = wide();
      if (compressedSize === 0xffffffff) compressedSize = wide();
      if (offset === 0xffffffff) offset = wide();
    }
    field = fieldEnd;
  }
  return { size, compressedSize, offset };
}

function locateDirectory(
  bytes: Uint8Array,
  view: DataView,
  what: string,
  truncated: () => VillaError,
): { count: number; start: number; end: number } {
  // The end record is last but for a comment of at most 65 535 bytes.
  let at = bytes.length - 22;
  const first = Math.max(0, at - 0xffff);
  while (at >= first && view.getUint32(at, true) !== endSignature) at--;
  if (at < first) throw truncated();
  let count = view.getUint16(at + 10, true);
  let size = view.getUint32(at + 12, true);
  let start = view.getUint32(at + 16, true);
  let behind = at;
  const isWide = count === 0xffff || size === 0xffffffff || start === 0xffffffff;
  // Torch writes a ZIP64 record even where none is needed.
  const hasRecord64 = at >= 20 && view.getUint32(at - 20, true) === end64LocatorSignature;
  if (hasRecord64) {
    behind = safeUint64(view, at - 12, truncated);
    if (behind + 56 > bytes.length || view.getUint32(behind, true) !== end64Signature) throw truncated();
  }
  if (isWide && hasRecord64) {
    count = safeUint64(view, behind + 32, truncated);
    size = safeUint64(view, behind + 40, truncated);
    start = safeUint64(view, behind + 48, truncated);
  } else if (view.getUint16(at + 4, true) !== 0 || view.getUint16(at + 8, true) !== count) {
    throw new VillaError("Unsupported", `The ${what} is one part of a split ZIP archive.`);
  }
  // The directory reaches up to the record that describes it: else it could be cut short, and members be passed over.
  if (start + size !== behind || count * 46 > size) throw truncated();
  return { count, start, end: start + size };
}

function safeUint64(view: DataView, at: number, truncated: () => VillaError): number {
  const value = Number(view.getBigUint64(at, true));
  if (!Number.isSafeInteger(value)) throw truncated();
  return value;
}
