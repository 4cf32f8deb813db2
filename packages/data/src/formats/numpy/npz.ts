import { VillaError } from "../../errors.ts";
import { checkBytes, checkObject } from "../check-arguments.ts";
import { quote } from "../describe.ts";
import { Allowance } from "../limits.ts";
import { openZip } from "../zip/reader.ts";
import { type CompressionLevel, writeZip, zipMember } from "../zip/writer.ts";
import type { NpyArray } from "./array.ts";
import { type NpyOptions, readNpyWithin, writeNpy } from "./npy.ts";

/**
 * Reads the arrays of a NumPy `.npz` archive, stored or compressed.
 *
 * @returns arrays by name, without the ".npy" of their members
 * @throws VillaError as `readNpy`; `UnsafeFile` also for archives that would expand beyond the memory limit
 */
export function readNpz(bytes: Uint8Array, options: NpyOptions = {}): Map<string, NpyArray> {
  checkBytes(bytes);
  const allowance = new Allowance(bytes.length, options);
  const archive = openZip(bytes, "NPZ file", { allowance });
  const arrays = new Map<string, NpyArray>();
  for (const member of archive.entries.keys()) {
    if (!member.endsWith(".npy")) {
      throw new VillaError("InvalidFile", `The NPZ file holds ${quote(member)}, which is not an array.`);
    }
    arrays.set(member.slice(0, -4), readNpyWithin(archive.read(member), allowance, options));
  }
  return arrays;
}

/** Options of {@link writeNpz}. */
export interface NpzWriteOptions {
  /** 0 (default) stores like `numpy.savez`, 1–9 deflate like `numpy.savez_compressed` (which uses 6). */
  readonly level?: CompressionLevel | undefined;
}

/**
 * Writes a NumPy `.npz` archive; equal arrays give equal bytes.
 *
 * @throws VillaError as `writeNpy`
 */
export function writeNpz(
  arrays: ReadonlyMap<string, NpyArray> | Readonly<Record<string, NpyArray>>,
  options: NpzWriteOptions = {},
): Uint8Array {
  checkObject(arrays, "The arrays of an archive");
  checkObject(options, "The options of writeNpz");
  const { level = 0 } = options;
  const entries = isMap(arrays) ? [...arrays] : Object.entries(arrays);
  return writeZip(entries.map(([name, array]) => zipMember(`${name}.npy`, writeNpy(array), level)));
}

function isMap<T>(arrays: ReadonlyMap<string, T> | Readonly<Record<string, T>>): arrays is ReadonlyMap<string, T> {
  return arrays instanceof Map;
}
