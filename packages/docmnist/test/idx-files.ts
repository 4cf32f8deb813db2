import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { DigitSet } from "../src/index.ts";

/** An IDX file of unsigned bytes. */
export function idx(shape: readonly number[], data: Uint8Array): Uint8Array {
  const header = new DataView(new ArrayBuffer(4 + 4 * shape.length));
  header.setUint32(0, 0x800 + shape.length);
  for (const [i, side] of shape.entries()) header.setUint32(4 + 4 * i, side);
  return Uint8Array.from([...new Uint8Array(header.buffer), ...data]);
}

/** Writes digits as MNIST files into a folder. */
export function writeIdxFiles(folder: string, parts: Partial<Record<"train" | "t10k", DigitSet>>, gzip = false): void {
  mkdirSync(folder, { recursive: true });
  for (const [part, { images, labels }] of Object.entries(parts)) {
    const write = (name: string, bytes: Uint8Array): void =>
      writeFileSync(join(folder, gzip ? `${name}.gz` : name), gzip ? gzipSync(bytes) : bytes);
    write(`${part}-images-idx3-ubyte`, idx([labels.length, 28, 28], images));
    write(`${part}-labels-idx1-ubyte`, idx([labels.length], labels));
  }
}
