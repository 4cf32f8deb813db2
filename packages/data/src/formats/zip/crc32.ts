import { checkBytes } from "../check-arguments.ts";

/**
 * Tables of the CRC-32 of ZIP and PNG: `crcTables[k * 256 + b]` = effect of byte b followed by k zero bytes.
 */
export const crcTables: Int32Array = makeTables(8);

/** CRC-32 (as in ZIP, PNG, gzip) of `bytes`, continuing from `previous`. Unsigned. */
export function crc32(bytes: Uint8Array, previous = 0): number {
  checkBytes(bytes);
  const t = crcTables;
  let crc = ~previous;
  let i = 0;
  // Eight bytes a step: about 1 GB/s instead of 0.3.
  for (const end = bytes.length - 7; i < end; i += 8) {
    const low = crc ^ (bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24));
    crc =
      t[1792 + (low & 255)]! ^
      t[1536 + ((low >>> 8) & 255)]! ^
      t[1280 + ((low >>> 16) & 255)]! ^
      t[1024 + (low >>> 24)]! ^
      t[768 + bytes[i + 4]!]! ^
      t[512 + bytes[i + 5]!]! ^
      t[256 + bytes[i + 6]!]! ^
      t[bytes[i + 7]!]!;
  }
  for (; i < bytes.length; i++) crc = (crc >>> 8) ^ t[(crc ^ bytes[i]!) & 255]!;
  return ~crc >>> 0;
}

function makeTables(count: number): Int32Array {
  const tables = new Int32Array(count * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    tables[byte] = crc;
  }
  for (let i = 256; i < tables.length; i++) {
    const previous = tables[i - 256]!;
    tables[i] = (previous >>> 8) ^ tables[previous & 255]!;
  }
  return tables;
}
