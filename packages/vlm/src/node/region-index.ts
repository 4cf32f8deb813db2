import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import {
  checkArgument,
  type ImageAnnotation,
  isVillaError,
  type ProgressListener,
  type Shard,
  throwIfAborted,
  VillaError,
} from "@villa/data";
import {
  annotationsFingerprint,
  cacheDirectory,
  canWriteInto,
  type Dataset,
  datasetRule,
  itemsPerPart,
  PartStore,
  regionPartFormat,
  requireRows,
} from "@villa/data/node";
import type { ImageEncoder, ImageTower, RegionOptions } from "@villa/encoders";
import { hashEncoder } from "@villa/encoders/node";
import { embedSplit } from "../evaluate.ts";

/** Some images with the embeddings of their regions. */
export interface IndexedPart {
  readonly rows: readonly ImageAnnotation[];
  /** [regions of the rows, d] L2-normalised */
  readonly regions: Float32Array;
}

/** How {@link RegionIndex.open} opens: `regions` as the model is opened with. */
export interface OpenIndexOptions extends Pick<RegionOptions, "regions"> {
  /** Default: all images. */
  readonly split?: string | undefined;
  /** Told of the download of a model on the hub. */
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Embeddings of a dataset's regions by a trained model, kept in the folder `region_index` of the dataset, or of villa's
 * cache where the dataset can only be read: made once, in shards if need be, and read part by part, so that memory does
 * not grow with the dataset. Other weights, boxes, masks, splits or `regions` give an index of their own.
 */
export class RegionIndex {
  readonly rows: readonly ImageAnnotation[];
  readonly #dataset: Dataset;
  readonly #store: Store;
  readonly #parts: Parts;

  private constructor(dataset: Dataset, rows: readonly ImageAnnotation[], parts: Parts, store: Store) {
    checkArgument("dataset", dataset, datasetRule);
    checkArgument("rows", rows, [
      { imageId: "number", regionCoord: ["numbers"], split: "text", text: "text", attributes: ["text"] },
    ]);
    checkArgument("parts", parts, [["object"]]);
    checkArgument("store", store, { folder: "text", write: "function", join: "function" });

    this.rows = rows;
    this.#dataset = dataset;
    this.#parts = parts;
    this.#store = store;
  }

  /**
   * @param checkpoint the model, as `openModel` takes it
   * @throws VillaError `NotFound` when the dataset has no such split
   */
  static async open(
    dataset: Dataset,
    checkpoint: string,
    { split, regions, onProgress, signal }: OpenIndexOptions = {},
  ): Promise<RegionIndex> {
    const rows = requireRows(dataset, split);
    const key = createHash("sha256")
      .update(await hashEncoder(checkpoint, { onProgress, signal }))
      .update(annotationsFingerprint(rows))
      // How the checkpoint itself embeds regions is part of its hash.
      .update(regions ?? "")
      .digest("hex")
      .slice(0, 16);
    const parts = Array.from({ length: Math.ceil(rows.length / itemsPerPart) }, (_, part) =>
      rows.slice(part * itemsPerPart, (part + 1) * itemsPerPart),
    );
    return new RegionIndex(dataset, rows, parts, await openStore(dataset.directory, key, parts));
  }

  /** Embeds what is missing, or a shard's share of it. @returns images embedded now */
  async fill(
    encoder: ImageTower | ImageEncoder,
    {
      shard,
      onProgress,
      signal,
    }: { shard?: Shard | undefined; onProgress?: ProgressListener | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<number> {
    const todo = await this.#store.claim(this.#parts.length, shard);
    const total = todo.reduce((sum, part) => sum + this.#parts[part]!.length, 0);
    let done = 0;
    const report = () => onProgress?.({ task: "embedding regions", done, total, unit: "images" });
    if (todo.length > 0) report();
    for (const part of todo) {
      throwIfAborted(signal, stopped);
      const rows = this.#parts[part]!;
      const regions = await embedSplit(encoder, rows, { load: (row) => this.#dataset.readImage(row), signal }).catch(
        (error: unknown) => {
          throw isVillaError(error, "Aborted") ? new VillaError("Aborted", stopped, { cause: error }) : error;
        },
      );
      await this.#store.write(part, byImage(regions, rows));
      done += rows.length;
      report();
    }
    return done;
  }

  /** @throws VillaError `Mismatch` naming the shards that are missing */
  requireComplete(): void {
    this.#store.requireAll(this.#parts.length);
  }

  /** All parts in order. @throws VillaError `Mismatch` naming the shards that are missing, `InvalidFile` */
  async *parts(): AsyncGenerator<IndexedPart> {
    let part = 0;
    for await (const vectors of this.#store.join(this.#parts.length)) {
      yield { rows: this.#parts[part++]!, regions: joined(vectors) };
    }
  }

  /** [regions of all rows, d] L2-normalised */
  async regions(): Promise<Float32Array> {
    const parts: Float32Array[] = [];
    for await (const { regions } of this.parts()) parts.push(regions);
    return joined(parts);
  }
}

const stopped = "Embedding was stopped; what is done is kept, and the same command goes on from here.";

type Parts = readonly (readonly ImageAnnotation[])[];
type Store = PartStore<readonly Float32Array[]>;

/** The index beside the dataset; in villa's cache where that folder can only be read and the index is not whole. */
async function openStore(directory: string, key: string, parts: Parts): Promise<Store> {
  const format = regionPartFormat((part) => parts[part]!.length);
  const beside = new PartStore({ folder: join(directory, "region_index", key), ...format });
  if ((await beside.claim(parts.length)).length === 0 || (await canWriteInto(beside.folder))) return beside;
  // The key covers annotations and weights, not pictures: these are told apart by the folder.
  const place = createHash("sha256").update(resolve(directory)).digest("hex").slice(0, 16);
  return new PartStore({ folder: join(cacheDirectory(), "region_index", `${place}-${key}`), ...format });
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
