import { VillaError } from "../../errors.ts";
import type { Allowance } from "../limits.ts";
import { decompressZstd } from "../zstd/decompress.ts";
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
      decode: decodeLz4,
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

function decodeLz4(bytes: Uint8Array): Uint8Array {
  const size = declaredSize(bytes);
  return decompressLz4Frame(bytes, (actual) => {
    if (actual !== size) throw damaged();
    allowance?.take(actual, "A column");
  });
}

function decodeZstd(bytes: Uint8Array): Uint8Array {
  const size = declaredSize(bytes);
  allowance?.take(size, "A column");
  return decompressZstd(bytes, size);
}

/**
 * Arrow puts the decompressed size into the 8 bytes before a compressed buffer; apache-arrow hands over a view that
 * starts just after them.
 */
function declaredSize(bytes: Uint8Array): number {
  if (bytes.byteOffset < 8) throw damaged();
  const size = Number(new DataView(bytes.buffer, bytes.byteOffset - 8, 8).getBigInt64(0, true));
  if (!(size >= 0)) throw damaged();
  return size;
}

function damaged(): VillaError {
  return new VillaError("InvalidFile", "The file's compressed data is damaged.");
}
