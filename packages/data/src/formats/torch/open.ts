import { VillaError } from "../../errors.ts";
import { describe } from "../describe.ts";
import { Allowance, type ReadLimits } from "../limits.ts";
import { checkSource, type RangeSource } from "../safetensors/read.ts";
import { decodeElements, type TensorData } from "../tensor.ts";
import { looksLikeZip, openZip, type ZipEntry } from "../zip/reader.ts";
import type { TorchReadOptions } from "./read.ts";
import { loadStateDict } from "./state-dict.ts";

/** The tensors of a torch file, of which only names, types and shapes have been read. */
export interface TorchStateDictFile {
  readonly entries: ReadonlyMap<string, Pick<TensorData, "dtype" | "shape">>;
  /** Reads one tensor. @throws VillaError `InvalidArgument` when there is none of that name */
  tensor(name: string): Promise<TensorData>;
}

/**
 * Opens what {@link loadStateDict} reads without reading the tensors, which come by range when they are asked for: a
 * checkpoint larger than memory, or one that should not lie in memory twice. Checksums are not compared.
 *
 * Torch's older format and archives whose tensors are packed in some way are read as a whole.
 *
 * @throws VillaError as {@link loadStateDict}
 */
export async function openStateDict(source: RangeSource, options: TorchReadOptions = {}): Promise<TorchStateDictFile> {
  checkSource(source);
  const skeleton = await archiveSkeleton(source, options);
  if (!skeleton) return whole(source, options);
  // Halves stay bits here: widening would read contents that have not been loaded.
  const entries = loadStateDict(skeleton, { ...options, raw: true, checksums: false });
  const isView = ({ data }: TensorData) => data.buffer === skeleton.buffer || data.length === 0;
  if (![...entries.values()].every(isView)) return whole(source, options);
  return {
    entries,
    async tensor(name) {
      const { dtype, shape, data } = found(entries, name);
      const bytes = await source.read(data.byteOffset, data.byteOffset + data.byteLength);
      if (bytes.length !== data.byteLength) throw new VillaError("InvalidFile", "The torch file is truncated.");
      return decodeElements(bytes, dtype, shape, { raw: options.raw });
    },
  };
}

async function whole(source: RangeSource, options: TorchReadOptions): Promise<TorchStateDictFile> {
  const tensors = loadStateDict(await source.read(0, source.size), options);
  return { entries: tensors, tensor: async (name) => found(tensors, name) };
}

function found(tensors: ReadonlyMap<string, TensorData>, name: string): TensorData {
  const tensor = tensors.get(name);
  if (!tensor) throw new VillaError("InvalidArgument", `The torch file has no tensor ${describe(name)}.`);
  return tensor;
}

/** Tensors up to this size are not worth leaving out. */
const smallMember = 1 << 16;
/** A local header with a long name and the padding that aligns its contents. */
const headerBytes = 1024;

/**
 * An array as long as the file that holds only what the readers look at before they come to the tensors: the archive's
 * directory, the local headers and the pickle. The rest stays zero; systems give such memory only when it is touched.
 *
 * @returns undefined when the file is not an archive
 */
async function archiveSkeleton(source: RangeSource, limits: ReadLimits): Promise<Uint8Array | undefined> {
  const { size } = source;
  const allowance = new Allowance(size, limits);
  if (!looksLikeZip(await source.read(0, Math.min(4, size)))) return undefined;
  const skeleton = new Uint8Array(size);
  const copy = async (start: number, end: number) => {
    if (start > size) throw new VillaError("InvalidFile", "The torch file is damaged: a member lies behind its end.");
    // Members that overlap could have the file read as many times as there are members.
    allowance.work(end - start, "The torch file");
    skeleton.set(await source.read(start, Math.min(end, size)), start);
  };
  for (const entry of (await directory(source, skeleton)).values()) {
    const isTensor = /\/data\/[^/]+$/.test(entry.name) && !entry.compressed && entry.size > smallMember;
    await copy(entry.offset, entry.offset + headerBytes + (isTensor ? 0 : entry.compressedSize));
  }
  return skeleton;
}

/** Reads the archive's end into the skeleton, further back until its directory is there as a whole. */
async function directory(source: RangeSource, skeleton: Uint8Array): Promise<ReadonlyMap<string, ZipEntry>> {
  for (let tail = 1 << 20; ; tail *= 16) {
    const start = Math.max(0, source.size - tail);
    skeleton.set(await source.read(start, source.size), start);
    try {
      return openZip(skeleton, "torch file").entries;
    } catch (error) {
      if (start === 0) throw error;
    }
  }
}
