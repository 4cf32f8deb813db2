import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { decompressZstd } from "@villa/data";
import type { Compressors } from "hyparquet";
import { compressors } from "hyparquet-compressors";

/** Decompressors that give no more than the page says; where Node has one, it is Node's. */
export const pageDecompressors: Compressors = {
  ...compressors,
  GZIP: (input, length) => gunzipSync(input, { maxOutputLength: Math.max(1, length) }),
  BROTLI: (input, length) => brotliDecompressSync(input, { maxOutputLength: Math.max(1, length) }),
  ZSTD: decompressZstd,
};
