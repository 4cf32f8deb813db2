import {
  attributeNames,
  checkArgument,
  checkShard,
  type ImageAnnotation,
  type ProgressListener,
  regionMasks,
  type Shard,
  throwIfAborted,
  VillaError,
} from "@villa/data";
import { type Dataset, openDataset } from "@villa/data/node";
import { attributeEmbeddings, type Encoder } from "@villa/encoders";
import { assembleRegions, type EmbeddingFormat, writeAttributes } from "./assemble.ts";
import { checkDataset } from "./check-dataset.ts";
import { EmbeddingJob, type Part } from "./job.ts";

/** What {@link preprocessDataset} embeds, and how. */
export interface PreprocessOptions {
  /** The dataset folder; results go into it. */
  readonly dataDir: string;
  readonly encoder: Encoder;
  /** sha256 of the encoder's weights file, for the manifest. */
  readonly weightsHash?: string | undefined;
  /** Revision on the hub that the encoder was downloaded from, for the manifest. */
  readonly revision?: string | undefined;
  /**
   * Computes only this share of the images and leaves the rest to other processes. When all shards are through, a run
   * without `shard` joins their parts; the result equals that of a single run.
   */
  readonly shard?: Shard | undefined;
  /** Default `original`. */
  readonly format?: EmbeddingFormat | undefined;
  /** Replaces embeddings that are there already instead of refusing; they stay until all new ones are there. */
  readonly overwrite?: boolean | undefined;
  /** Only joins what shards have computed; refuses when something is missing. */
  readonly mergeOnly?: boolean | undefined;
  readonly onProgress?: ProgressListener | undefined;
  /** Stops after the part at hand; the next run goes on from there. */
  readonly signal?: AbortSignal | undefined;
}

/** What {@link preprocessDataset} did. */
export interface PreprocessResult {
  readonly images: number;
  readonly regions: number;
  readonly attributes: number;
  readonly dimension: number;
  readonly encoder: string;
  /** Images encoded by this run; fewer than `images` after a resume. */
  readonly encodedImages: number;
  readonly seconds: number;
  readonly imagesPerSecond: number;
  /** False after a shard: a run without `shard` has to join the parts. */
  readonly complete: boolean;
}

/**
 * Embeds all regions and attributes of a dataset folder: writes `attr_embs` and `region_embs/` for Stage 1.
 *
 * Every 64 images reach the disk at once, so a kill costs seconds: the same call again goes on where it stopped.
 *
 * @throws VillaError `NotFound`, `InvalidFile`, `Mismatch` for what is wrong with the dataset, `AlreadyExists` for other
 *   embeddings in its folder, `NotFinite` when the encoder fails, `Aborted`
 */
export async function preprocessDataset(options: PreprocessOptions): Promise<PreprocessResult> {
  checkArgument("options", options, {
    dataDir: "text",
    encoder: {
      "encodeImages?": "function",
      encodeText: "function",
      name: "text",
      dimension: "count",
      options: "object",
      "tower?": "object",
      encodeRegions: "function",
      dispose: "function",
    },
    "weightsHash?": "text",
    "revision?": "text",
    "shard?": { index: "number", count: "count" },
    "format?": "'original' | 'safetensors'",
    "overwrite?": "boolean",
    "mergeOnly?": "boolean",
    "onProgress?": "function",
    "signal?": "object",
  });

  const { dataDir, encoder, weightsHash, revision, shard, overwrite = false, signal } = options;
  const started = performance.now();
  if (shard) checkShard(shard);
  if ((shard || options.mergeOnly) && overwrite) {
    throw new VillaError(
      "InvalidArgument",
      "Neither a shard nor a merge can overwrite: it would delete what other shards have computed.",
    );
  }
  throwIfAborted(signal, "Preprocessing was stopped; the same command goes on from here.");
  const dataset = await openDataset(dataDir);
  const { annotations } = dataset;
  if (annotations.length === 0) throw new VillaError("InvalidFile", `The dataset ${dataDir} has no images.`);
  const job = new EmbeddingJob(dataset, { encoder, origin: { weights: weightsHash, revision } });
  let complete = await job.begin(overwrite);
  let encoded = 0;
  if (!complete) {
    try {
      encoded = await work(dataset, job, options);
      complete = !shard || (await job.isComplete());
    } catch (error) {
      complete = await job.isComplete();
      if (!complete) throw error;
    }
    // Another process may have been at the same work, have finished it, and have taken away what this one looked for.
    if (complete) await job.forgetParts();
  }
  const seconds = (performance.now() - started) / 1000;
  return {
    images: annotations.length,
    regions: job.manifest.dataset.regions,
    attributes: attributeNames(dataset.vocabulary).length,
    dimension: encoder.dimension,
    encoder: encoder.name,
    encodedImages: encoded,
    seconds,
    imagesPerSecond: encoded / seconds,
    complete,
  };
}

/** @returns images encoded */
async function work(dataset: Dataset, job: EmbeddingJob, options: PreprocessOptions): Promise<number> {
  const { dataDir, encoder, shard, format = "original", onProgress, signal } = options;
  const { annotations } = dataset;
  const parts = (await job.store.claim(job.parts.length, shard)).map((index) => job.parts[index]!);
  const todo = parts.flatMap((part) => annotations.slice(part.from, part.to));
  checkDataset(dataset, todo);
  if (options.mergeOnly) job.store.requireAll(job.parts.length);
  // Computed first, since what is wrong with the vocabulary or the encoder shows here; written when all else is there.
  const attributes = await attributeEmbeddings(encoder, dataset.vocabulary);
  const encoded = await encodeParts(dataset, job, parts, options, progressReport(onProgress, todo.length));
  if (!shard) {
    throwIfAborted(signal, "Preprocessing was stopped; the same command goes on from here.");
    await assembleRegions(job, { annotations, format });
    await writeAttributes(dataDir, { embeddings: attributes, format });
    await job.finish();
  }
  return encoded;
}

/** @returns images encoded */
async function encodeParts(
  dataset: Dataset,
  job: EmbeddingJob,
  parts: readonly Part[],
  { encoder, signal }: PreprocessOptions,
  report: (done: number) => void,
): Promise<number> {
  const load = (part: Part | undefined) => {
    const rows = part ? dataset.annotations.slice(part.from, part.to) : [];
    const images = Promise.all(rows.map((row) => dataset.readImage(row)));
    images.catch(() => undefined); // thrown where it is awaited; until then it must not count as unhandled
    return { rows, images };
  };
  report(0);
  let encoded = 0;
  let next = load(parts[0]);
  let writing = Promise.resolve();
  try {
    for (const [i, part] of parts.entries()) {
      throwIfAborted(signal, "Preprocessing was stopped; the same command goes on from here.");
      const { rows, images } = next;
      const pixels = await images;
      next = load(parts[i + 1]); // the disk works while the encoder computes
      const embeddings = await encoder.encodeRegions(
        pixels,
        rows.map((row) => row.regionCoord),
        { masks: rows.map(regionMasks) },
      );
      await writing;
      writing = job.store.write(part.index, splitByImage(embeddings, rows, part, encoder));
      writing.catch(() => undefined);
      encoded += rows.length;
      report(encoded);
    }
    await writing;
  } finally {
    await writing.catch(() => undefined); // also when stopped: what has been computed is kept
  }
  return encoded;
}

function splitByImage(
  embeddings: Float32Array,
  rows: readonly ImageAnnotation[],
  part: Part,
  { dimension, name }: Encoder,
): Float32Array[] {
  let at = 0;
  const vectors = rows.map(({ imageId, regionCoord }) => {
    const vector = embeddings.subarray(at, at + regionCoord.length * dimension);
    at += regionCoord.length * dimension;
    for (const value of vector) {
      if (!Number.isFinite(value)) {
        throw new VillaError(
          "NotFinite",
          `The encoder ${name} gives ${value} for image ${imageId}; check its weights.`,
        );
      }
    }
    return vector;
  });
  if (at !== embeddings.length) {
    throw new VillaError(
      "Mismatch",
      `The encoder ${name} gave ${embeddings.length} values for images ${part.from} to ${part.to - 1} instead of ${at}.`,
    );
  }
  return vectors;
}

function progressReport(onProgress: ProgressListener | undefined, total: number): (done: number) => void {
  const started = performance.now();
  return (done) => {
    if (total === 0) return; // a merge embeds nothing
    const seconds = (performance.now() - started) / 1000;
    const rate = seconds > 0 ? done / seconds : 0;
    const metrics = done > 0 ? { imagesPerSecond: rate, secondsLeft: (total - done) / rate } : {};
    onProgress?.({ task: "embedding regions", done, total, unit: "images", metrics });
  };
}
