import { deflateSync } from "fflate";
import { VillaError } from "../../errors.ts";
import { describe } from "../describe.ts";
import { crc32 } from "./crc32.ts";

/** One file to be put in a ZIP archive. */
export interface ZipMember {
  readonly name: string;
  /** Uncompressed contents; only their size counts when `deflated` is given. */
  readonly size: number;
  readonly crc32: number;
  /** The bytes to write: the contents themselves, or their raw deflate stream. */
  readonly bytes: Uint8Array;
  readonly deflated: boolean;
}

/** How hard to compress: 0 stores, 1 is fastest, 9 smallest. */
export type CompressionLevel = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;

/** Makes a member from contents. Compression that does not pay is dropped. */
export function zipMember(name: string, contents: Uint8Array, level: CompressionLevel = 0): ZipMember {
  if (!(Number.isInteger(level) && level >= 0 && level <= 9)) {
    throw new VillaError("InvalidArgument", `A level of compression must be 0 to 9, not ${describe(level)}.`);
  }
  const crc = crc32(contents);
  if (level > 0) {
    const deflated = deflateSync(contents, { level });
    if (deflated.length < contents.length) {
      return { name, size: contents.length, crc32: crc, bytes: deflated, deflated: true };
    }
  }
  return { name, size: contents.length, crc32: crc, bytes: contents, deflated: false };
}

/**
 * Writes a ZIP archive. Dates are fixed (1980-01-01), so equal contents give equal bytes.
 *
 * @param alignment start of each member's contents, in bytes; torch uses 64 so that tensors can be mapped
 * @throws VillaError `Unsupported` above 4 GiB
 */
export function writeZip(members: readonly ZipMember[], alignment = 1): Uint8Array {
  const names = members.map((member) => new TextEncoder().encode(member.name));
  let size = 22;
  const paddings = members.map((member, i) => {
    const start = size - 22 + 30 + names[i]!.length;
    // An extra field is at least its 4-byte header.
    const padding = start % alignment === 0 ? 0 : 4 + mod(-(start + 4), alignment);
    size += 30 + names[i]!.length + padding + member.bytes.length;
    return padding;
  });
  for (const name of names) size += 46 + name.length;
  if (size > 0xfffffffe || members.length > 0xfffe) {
    throw new VillaError("Unsupported", "A file of more than 4 GiB cannot be written in this format; split it.");
  }
  const out = new Uint8Array(size);
  const view = new DataView(out.buffer);
  const offsets: number[] = [];
  let at = 0;
  for (const [i, member] of members.entries()) {
    const name = names[i]!;
    const padding = paddings[i]!;
    offsets.push(at);
    view.setUint32(at, 0x04034b50, true);
    writeCommonHeader(view, at + 4, member, name.length, padding);
    out.set(name, at + 30);
    at += 30 + name.length;
    if (padding > 0) {
      view.setUint16(at, 0x4246, true); // "FB", the padding field that torch writes
      view.setUint16(at + 2, padding - 4, true);
      at += padding;
    }
    out.set(member.bytes, at);
    at += member.bytes.length;
  }
  const directory = at;
  for (const [i, member] of members.entries()) {
    const name = names[i]!;
    view.setUint32(at, 0x02014b50, true);
    view.setUint16(at + 4, 20, true);
    writeCommonHeader(view, at + 6, member, name.length, 0);
    view.setUint32(at + 42, offsets[i]!, true);
    out.set(name, at + 46);
    at += 46 + name.length;
  }
  view.setUint32(at, 0x06054b50, true);
  view.setUint16(at + 8, members.length, true);
  view.setUint16(at + 10, members.length, true);
  view.setUint32(at + 12, at - directory, true);
  view.setUint32(at + 16, directory, true);
  return out;
}

/** The 26 bytes that local and central headers share, from "version needed" on. */
function writeCommonHeader(view: DataView, at: number, member: ZipMember, nameLength: number, extra: number): void {
  view.setUint16(at, 20, true);
  view.setUint16(at + 4, member.deflated ? 8 : 0, true);
  view.setUint16(at + 8, 0x21, true); // 1980-01-01
  view.setUint32(at + 10, member.crc32, true);
  view.setUint32(at + 14, member.bytes.length, true);
  view.setUint32(at + 18, member.size, true);
  view.setUint16(at + 22, nameLength, true);
  view.setUint16(at + 24, extra, true);
}

function mod(value: number, divisor: number): number {
  return ((value % divisor) + divisor) % divisor;
}
