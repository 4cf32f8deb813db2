import { rm } from "node:fs/promises";
import { join } from "node:path";
import {
  encodeRegionNpz,
  encodeRegionSafetensors,
  type ImageAnnotation,
  saveTorch,
  type TensorData,
  writeFeather,
  writeSafetensors,
} from "@villa/data";
import { atomicWriteFile, embeddingFiles } from "@villa/data/node";
import type { EmbeddingJob } from "./job.ts";

/** `original`: what the Python implementation reads and writes. `safetensors`: the same numbers, no pickles. */
export type EmbeddingFormat = "original" | "safetensors";

/** The original's number of images a file. */
const imagesPerFile = 10_000;
/** A file is held in memory while it is written: with many regions an image it ends earlier. */
const valuesPerFile = 64 << 20;

/** Joins all parts of a finished job into the files that Stage 1 reads. Equal parts give equal files. */
export async function assembleRegions(
  job: EmbeddingJob,
  { annotations, format }: { readonly annotations: readonly ImageAnnotation[]; readonly format: EmbeddingFormat },
): Promise<void> {
  const index: { image_id: number[]; file: string[]; file_id: number[] } = { image_id: [], file: [], file_id: [] };
  let pending: Float32Array[] = [];
  let values = 0;
  let written = 0;
  const flush = async () => {
    // Named by its last image as the original does, whose rule can give two files one name.
    const name = `embs_${written + pending.length - 1}`;
    const bytes = format === "original" ? encodeRegionNpz(pending) : encodeRegionSafetensors(pending);
    await atomicWriteFile(join(job.folder, `${name}.${format === "original" ? "npz" : "safetensors"}`), bytes);
    pending.forEach((_, position) => {
      index.image_id.push(annotations[written + position]!.imageId);
      index.file.push(name);
      index.file_id.push(position);
    });
    written += pending.length;
    pending = [];
    values = 0;
  };
  for await (const vectors of job.store.join(job.parts.length)) {
    for (const vector of vectors) {
      pending.push(vector);
      values += vector.length;
      if (pending.length === imagesPerFile || values >= valuesPerFile) await flush();
    }
  }
  if (pending.length > 0) await flush();
  const table = await writeFeather([
    { name: "image_id", type: "int64", values: index.image_id },
    { name: "file", type: "string", values: index.file },
    { name: "file_id", type: "int64", values: index.file_id },
  ]);
  await atomicWriteFile(join(job.folder, embeddingFiles.index), table);
}

/**
 * Writes `attr_embs.pth` (name → NumPy vector, as the original does) or `attr_embs.safetensors`, and removes the other of
 * the two, which would be of an earlier run.
 */
export async function writeAttributes(
  dataDir: string,
  { embeddings, format }: { readonly embeddings: ReadonlyMap<string, Float32Array>; readonly format: EmbeddingFormat },
): Promise<void> {
  const tensors = new Map(
    [...embeddings].map(([name, data]): [string, TensorData] => [
      name,
      { dtype: "float32", shape: [data.length], data },
    ]),
  );
  const { attributes: torch, attributesSafetensors: safetensors } = embeddingFiles;
  const [file, other, bytes] =
    format === "original"
      ? [torch, safetensors, saveTorch(tensors, { archiveName: "attr_embs" })]
      : [safetensors, torch, writeSafetensors(tensors, { order: JSON.stringify([...embeddings.keys()]) })];
  await atomicWriteFile(join(dataDir, file), bytes);
  await rm(join(dataDir, other), { force: true });
}
