import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  decodeRegionSafetensors,
  encodeRegionSafetensors,
  type ImageAnnotation,
  type ProgressListener,
  type Shard,
  VillaError,
} from "@villa/data";
import {
  annotationsFingerprint,
  atomicWriteFile,
  type Dataset,
  hashFile,
  noteShards,
  readFileBytes,
  requireParts,
  throwIfAborted,
  withPath,
} from "@villa/data/node";
import type { ModifiedResNet } from "@villa/encoders";
import { embedSplit } from "../evaluate.ts";

/** Images of one part: what a kill can cost at most, and what shards share out among them. */
const imagesPerPart = 64;

/** Some images with the embeddings of their regions. */
export interface IndexedPart {
  readonly rows: readonly ImageAnnotation[];
  /** [regions of the rows, d] L2-normalised */
  readonly regions: Float32Array;
}

/**
 * Embeddings of a dataset's regions by a trained model, kept in the folder `region_index` of the dataset: made once, in
 * shards if need be, and read part by part, so that memory does not grow with the dataset. Other weights, boxes or splits
 * make an index of their own.
 */
export class RegionIndex {
  readonly rows: readonly ImageAnnotation[];
  readonly #dataset: Dataset;
  readonly #folder: string;
  readonly #parts: readonly (readonly ImageAnnotation[])[];

  private constructor(dataset: Dataset, rows: readonly ImageAnnotation[], folder: string) {
    this.rows = rows;
    this.#dataset = dataset;
    this.#folder = folder;
    this.#parts = Array.from({ length: Math.ceil(rows.length / imagesPerPart) }, (_, part) =>
      rows.slice(part * imagesPerPart, (part + 1) * imagesPerPart),
    );
  }

  /**
   * @param checkpoint file of the model's weights
   * @param split default: all images
   * @throws VillaError `NotFound` when the dataset has no such split
   */
  static async open(dataset: Dataset, checkpoint: string, split?: string): Promise<RegionIndex> {
    const rows = dataset.rows(split);
    if (rows.length === 0) {
      throw new VillaError(
        "NotFound",
        `${dataset.directory} has no split "${split}"; it has ${dataset.splits.join(", ")}.`,
      );
    }
    const key = createHash("sha256")
      .update(await hashFile(checkpoint, "sha256"))
      .update(annotationsFingerprint(rows))
      .digest("hex");
    return new RegionIndex(dataset, rows, join(dataset.directory, "region_index", key.slice(0, 16)));
  }

  /** Embeds what is missing, or a shard's share of it. @returns images embedded now */
  async fill(
    tower: ModifiedResNet,
    {
      shard,
      progress,
      signal,
    }: { shard?: Shard | undefined; progress?: ProgressListener | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<number> {
    if (shard) await noteShards(this.#folder, shard.count);
    const { index, count } = shard ?? { index: 0, count: 1 };
    const todo = this.#missing().filter((part) => part % count === index);
    const total = todo.reduce((sum, part) => sum + this.#parts[part]!.length, 0);
    let done = 0;
    const report = () => progress?.({ task: "embedding regions", done, total, unit: "images" });
    if (todo.length > 0) report();
    for (const part of todo) {
      throwIfAborted(signal);
      const rows = this.#parts[part]!;
      const regions = await embedSplit(tower, rows, (row) => this.#dataset.readImage(row), {
        signal,
      });
      await atomicWriteFile(this.#path(part), encodeRegionSafetensors(byImage(regions, rows)));
      done += rows.length;
      report();
    }
    return done;
  }

  /** @throws VillaError `Mismatch` naming the shards that are missing */
  requireComplete(): void {
    requireParts(this.#folder, this.#missing(), this.#parts.length);
  }

  /** All parts in order. @throws VillaError `NotFound`, `InvalidFile` */
  async *parts(): AsyncGenerator<IndexedPart> {
    for (const [part, rows] of this.#parts.entries()) {
      const path = this.#path(part);
      const { vectors } = await withPath(path, async () => decodeRegionSafetensors(await readFileBytes(path)));
      if (vectors.length !== rows.length) {
        throw new VillaError("InvalidFile", `${path} holds ${vectors.length} images, not ${rows.length}; delete it.`);
      }
      yield { rows, regions: joined(vectors) };
    }
  }

  /** [regions of all rows, d] L2-normalised */
  async regions(): Promise<Float32Array> {
    const parts: Float32Array[] = [];
    for await (const { regions } of this.parts()) parts.push(regions);
    return joined(parts);
  }

  #missing(): number[] {
    return [...this.#parts.keys()].filter((part) => !existsSync(this.#path(part)));
  }

  #path(part: number): string {
    return join(this.#folder, `part-${String(part).padStart(6, "0")}.safetensors`);
  }
}

function byImage(regions: Float32Array, rows: readonly ImageAnnotation[]): Float32Array[] {
  const dimension =
    regions.length /
    Math.max(
      1,
      rows.reduce((sum, { numRegions }) => sum + numRegions, 0),
    );
  let at = 0;
  return rows.map(({ numRegions }) => {
    const start = at;
    at += numRegions * dimension;
    return regions.subarray(start, at);
  });
}

function joined(vectors: readonly Float32Array[]): Float32Array {
  const result = new Float32Array(vectors.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const vector of vectors) {
    result.set(vector, at);
    at += vector.length;
  }
  return result;
}
