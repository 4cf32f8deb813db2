import { decompress as decompressZstd } from "fzstd";
import { VillaError } from "../errors.ts";
import type { Allowance } from "../limits.ts";
import { compressLz4Frame, decompressLz4Frame } from "./lz4.ts";

export type Arrow = typeof import("apache-arrow");

let loading: Promise<Arrow> | undefined;
/** The limit of the read in progress. Arrow's codecs are global and know nothing of the file they serve. */
let allowance: Allowance | undefined;

/** Loads apache-arrow on first use: importing it takes as long as everything else in this package together. */
export function loadArrow(): Promise<Arrow> {
  loading ??= import("apache-arrow").then((arrow) => {
    const { compressionRegistry, CompressionType } = arrow;
    compressionRegistry.set(CompressionType.LZ4_FRAME, {
      encode: compressLz4Frame,
      decode: (bytes) => decompressLz4Frame(bytes, (size) => allowance?.take(size, "A column")),
    });
    compressionRegistry.set(CompressionType.ZSTD, { decode: decodeZstd });
    return arrow;
  });
  return loading;
}

/** Runs a synchronous read whose decompression counts against `limit`. */
export function withAllowance<T>(limit: Allowance, read: () => T): T {
  allowance = limit;
  try {
    return read();
  } finally {
    allowance = undefined;
  }
}

function decodeZstd(bytes: Uint8Array): Uint8Array {
  allowance?.take(zstdSize(bytes), "A column");
  return decompressZstd(bytes);
}

/** The decompressed size that a Zstandard frame declares; Arrow's writers always declare it. */
function zstdSize(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const descriptor = bytes[4] ?? 0;
  const code = descriptor >> 6;
  const singleSegment = (descriptor >> 5) & 1;
  const at = 5 + (singleSegment ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]!;
  const width = [singleSegment, 2, 4, 8][code]!;
  if (bytes.length < at + width || width === 0) {
    throw new VillaError("Unsupported", "The file's ZSTD-compressed data is damaged or does not declare its size.");
  }
  if (width === 1) return bytes[at]!;
  if (width === 2) return view.getUint16(at, true) + 256;
  return width === 4 ? view.getUint32(at, true) : Number(view.getBigUint64(at, true));
}
