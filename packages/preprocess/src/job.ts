import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import {
  decodeRegionSafetensors,
  encodeRegionSafetensors,
  formatVocabulary,
  type Shard,
  VillaError,
} from "@villa/data";
import {
  annotationsFingerprint,
  atomicWriteFile,
  type Dataset,
  type EmbeddingManifest,
  embeddingFiles,
  noteShards,
  readEmbeddingManifest,
  readFileBytes,
  requireParts,
  withPath,
} from "@villa/data/node";
import type { Encoder } from "@villa/encoders";
import { version } from "./version.ts";

/** Images of one part: what a kill can cost at most, and what shards share out among them. */
export const imagesPerPart = 64;

/** A run of images that is computed, written and skipped on resuming as a whole. */
export interface Part {
  readonly index: number;
  /** Rows of the annotations, from inclusive, to exclusive. */
  readonly from: number;
  readonly to: number;
}

/**
 * The folder of region embeddings while they are being made: `region_embs/parts/` holds one file per finished part and
 * `job.json`, which says for which dataset and encoder they are. Processes that share the folder need no other
 * agreement than their shard numbers.
 */
export class EmbeddingJob {
  readonly manifest: EmbeddingManifest;
  readonly parts: readonly Part[];
  readonly folder: string;
  private readonly dataDirectory: string;
  private readonly partsFolder: string;

  constructor(dataset: Dataset, encoder: Encoder, weights: string | undefined) {
    this.dataDirectory = dataset.directory;
    this.folder = join(dataset.directory, embeddingFiles.regions);
    this.partsFolder = join(this.folder, "parts");
    this.manifest = makeManifest(dataset, encoder, weights);
    const images = dataset.annotations.length;
    this.parts = Array.from({ length: Math.ceil(images / imagesPerPart) }, (_, index) => ({
      index,
      from: index * imagesPerPart,
      to: Math.min(images, (index + 1) * imagesPerPart),
    }));
  }

  /**
   * Looks at what is in the folder.
   *
   * @returns true when the embeddings are complete already
   * @throws VillaError `AlreadyExists` when other embeddings are there and `overwrite` is not set
   */
  async begin(overwrite: boolean): Promise<boolean> {
    const jobPath = join(this.partsFolder, "job.json");
    if (overwrite) {
      await rm(this.folder, { recursive: true, force: true });
    } else if (existsSync(join(this.folder, embeddingFiles.index))) {
      if (await this.isComplete()) return true;
      const done = await readEmbeddingManifest(this.dataDirectory);
      // A run that was killed while it joined its parts has written the index already.
      if (done || !existsSync(jobPath)) throw conflict(this.folder, done);
    }
    if (existsSync(jobPath)) {
      const job = await readJob(jobPath);
      if (!sameWork(job, this.manifest)) throw conflict(this.folder, job);
    } else {
      await atomicWriteFile(jobPath, `${JSON.stringify(this.manifest, null, 2)}\n`);
    }
    return false;
  }

  /** Whether all embeddings are there, made by the same encoder from the same annotations. */
  async isComplete(): Promise<boolean> {
    const done = await readEmbeddingManifest(this.dataDirectory);
    return done !== undefined && sameWork(done, this.manifest);
  }

  /** The parts of a shard that are not there yet. */
  missing({ index, count }: Shard): Part[] {
    const files = new Set(existsSync(this.partsFolder) ? readdirSync(this.partsFolder) : []);
    return this.parts.filter((part) => part.index % count === index && !files.has(partName(part)));
  }

  /** Notes that several processes share out the parts. */
  async noteShards({ count }: Shard): Promise<void> {
    await noteShards(this.partsFolder, count);
  }

  /** @throws VillaError `Mismatch` naming the shards of the parts that are missing */
  requireAll(missing: readonly Part[]): void {
    requireParts(
      this.partsFolder,
      missing.map(({ index }) => index),
      this.parts.length,
    );
  }

  /** @param vectors each image's flat vector */
  async write(part: Part, vectors: readonly Float32Array[]): Promise<void> {
    await atomicWriteFile(join(this.partsFolder, partName(part)), encodeRegionSafetensors(vectors));
  }

  async read(part: Part): Promise<Float32Array[]> {
    const path = join(this.partsFolder, partName(part));
    const { vectors } = await withPath(path, async () => decodeRegionSafetensors(await readFileBytes(path)));
    if (vectors.length !== part.to - part.from) {
      throw new VillaError(
        "InvalidFile",
        `${path} holds ${vectors.length} images, not ${part.to - part.from}; delete it.`,
      );
    }
    return vectors;
  }

  /** Writes the manifest, which makes the embeddings count as complete. */
  async finish(): Promise<void> {
    const path = join(this.folder, embeddingFiles.manifest);
    await atomicWriteFile(path, `${JSON.stringify(this.manifest, null, 2)}\n`);
  }

  async forgetParts(): Promise<void> {
    // Retried, since another process at the same work may still be writing.
    await rm(this.partsFolder, { recursive: true, force: true, maxRetries: 10 });
  }
}

function makeManifest(dataset: Dataset, encoder: Encoder, weights: string | undefined): EmbeddingManifest {
  const { annotations, vocabulary } = dataset;
  return {
    format: 1,
    encoder: {
      name: encoder.name,
      dimension: encoder.dimension,
      options: encoder.options,
      weights,
    },
    dataset: {
      images: annotations.length,
      regions: annotations.reduce((sum, row) => sum + row.regionCoord.length, 0),
      fingerprint: annotationsFingerprint(annotations),
      vocabulary: createHash("sha256").update(formatVocabulary(vocabulary)).digest("hex"),
    },
    version,
  };
}

/** Equal results are to be expected. The version may differ. */
function sameWork(a: EmbeddingManifest, b: EmbeddingManifest): boolean {
  const relevant = ({ encoder, dataset }: EmbeddingManifest) => canonical({ encoder, dataset });
  return relevant(a) === relevant(b);
}

/** JSON with keys in order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    item !== null && typeof item === "object" && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}

function conflict(folder: string, other: EmbeddingManifest | undefined): VillaError {
  const what = other
    ? `embeddings by the encoder "${other.encoder.name}" of ${other.dataset.images} images, made with other weights, options or annotations`
    : "embeddings of unknown origin";
  return new VillaError("AlreadyExists", `${folder} holds ${what}; pass --overwrite to replace them.`);
}

async function readJob(path: string): Promise<EmbeddingManifest> {
  try {
    return JSON.parse(new TextDecoder().decode(await readFileBytes(path))) as EmbeddingManifest;
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new VillaError("InvalidFile", `${path} is damaged; pass --overwrite to begin again.`, { cause });
  }
}

function partName({ index }: Part): string {
  return `part-${String(index).padStart(6, "0")}.safetensors`;
}
