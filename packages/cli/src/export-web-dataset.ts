import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { extname, join } from "node:path";
import {
  datasetTexts,
  formatRleString,
  type ImageAnnotation,
  type MappingAnnotation,
  type ProgressListener,
  RandomState,
  type Shard,
  saveTorch,
  type TensorData,
} from "@villa/data";
import { atomicWriteFile, type Dataset, openDataset, readFileBytes, requireRows } from "@villa/data/node";
import { pictureToPng, type TarSample, writeTarShard } from "@villa/ingest/node";
import { imagePairs, type PairMode, SentenceEmbeddings } from "@villa/vlm";
import { openModel } from "@villa/vlm/node";

export interface WebDatasetOptions {
  readonly dataDir: string;
  readonly out: string;
  readonly split: string;
  readonly pairs: PairMode;
  readonly samplesPerTar: number;
  /** Of the order of samples. */
  readonly seed: number;
  /** Write the embeddings of all sentences by this model's text side, for trainers without one. */
  readonly checkpoint?: string | undefined;
  readonly weights?: string | undefined;
  /** Only this share of the tars. */
  readonly shard?: Shard | undefined;
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a sample's JSON holds. */
export interface WebDatasetSample {
  readonly image_id: number;
  /** [height, width] */
  readonly image_size: readonly number[];
  readonly text: string;
  readonly attributes: readonly string[];
  /**
   * Region-text pairs of Stage 2: a box, the sentences that belong to it, and the region's mask as COCO's compressed run
   * lengths where it has one. The last one is the whole image.
   */
  readonly pairs: readonly {
    readonly box: readonly number[];
    readonly sentences: readonly string[];
    readonly mask?: { readonly size: readonly number[]; readonly counts: string } | undefined;
  }[];
}

/**
 * Writes a split as WebDataset tar shards, `<split>-000000.tar` …: of each sample the image (.png or .jpg) and .json with
 * its region-text pairs. Samples are shuffled once, by the seed; an image that has no pair is left out. Tars of the split
 * that an earlier, longer export left behind are removed: a trainer's `train-*.tar` would read them too.
 *
 * @returns numbers of samples, pairs and tars, of the whole split
 * @throws VillaError `NotFound` without such a split or, for `pairs: "mapping"`, without Stage 1's mapping
 */
export async function exportWebDataset(
  options: WebDatasetOptions,
): Promise<{ samples: number; pairs: number; tars: number }> {
  const { dataDir, out, split, samplesPerTar, shard, onProgress, signal } = options;
  const dataset = await openDataset(dataDir);
  const samples = await pairedRows(dataset, options);
  const order = new RandomState(options.seed).shuffle(samples);
  const tars = Math.ceil(order.length / samplesPerTar);
  let done = 0;
  for (let tar = 0; tar < tars; tar++) {
    if (shard && tar % shard.count !== shard.index) continue;
    const own = order.slice(tar * samplesPerTar, (tar + 1) * samplesPerTar);
    const files = async function* (): AsyncGenerator<TarSample> {
      for (const { row, json } of own) {
        yield { key: String(row.imageId).padStart(9, "0"), files: { ...(await imageFile(dataset, row)), json } };
        onProgress?.({ task: "packing", done: ++done, total: order.length, unit: "images" });
      }
    };
    await writeTarShard(join(out, tarName(split, tar)), files(), { signal });
  }
  await removeLaterTars(options, tars);
  if (options.checkpoint !== undefined && !shard?.index) await writeSentences(options, order);
  return { samples: order.length, pairs: order.reduce((sum, { sentences }) => sum + sentences.length, 0), tars };
}

const tarName = (split: string, tar: number | string) => `${split}-${String(tar).padStart(6, "0")}.tar`;

/** Removes the split's tars from number `tars` on, of this process's share. */
async function removeLaterTars({ out, split, shard }: WebDatasetOptions, tars: number): Promise<void> {
  // A share that has no tar to write may find no folder.
  const names = existsSync(out) ? await readdir(out) : [];
  for (const name of names) {
    const number = /-(\d{6,})\.tar$/.exec(name)?.[1];
    if (number === undefined || name !== tarName(split, number)) continue;
    const tar = Number(number);
    if (tar >= tars && (!shard || tar % shard.count === shard.index)) await rm(join(out, name));
  }
}

interface PairedRow {
  readonly row: ImageAnnotation;
  readonly sentences: readonly (readonly string[])[];
  readonly json: string;
}

async function pairedRows(dataset: Dataset, { split, pairs: mode }: WebDatasetOptions): Promise<PairedRow[]> {
  const own = requireRows(dataset, split);
  const rows: readonly (ImageAnnotation | MappingAnnotation)[] =
    mode === "mapping" ? await dataset.mappings(split) : own;
  const texts = datasetTexts(dataset.vocabulary);
  return rows.flatMap((row) => {
    const { boxes, sentences, masks } = imagePairs(row, mode, { texts, regions: "mask" });
    if (boxes.length === 0) return [];
    const sample: WebDatasetSample = {
      image_id: row.imageId,
      image_size: row.imageSize,
      text: row.text,
      attributes: row.attributes,
      pairs: boxes.map((box, i) => {
        const mask = masks![i];
        const counts = mask && { size: row.imageSize, counts: formatRleString(mask) };
        return { box, sentences: sentences[i]!, mask: counts ?? undefined };
      }),
    };
    return [{ row, sentences, json: JSON.stringify(sample) }];
  });
}

/** The stored file where it is one that every program reads, PNG else. */
async function imageFile(dataset: Dataset, row: ImageAnnotation): Promise<Record<string, Uint8Array>> {
  const path = dataset.imagePath(row);
  const extension = extname(path).slice(1).toLowerCase();
  if (extension === "png" || extension === "jpg") return { [extension]: await readFileBytes(path) };
  return { png: await pictureToPng(await dataset.readImage(row)) };
}

/** `<split>-sentences.pth`: sentence → float32 vector, L2-normalised. */
async function writeSentences({ checkpoint, weights, out, split }: WebDatasetOptions, rows: readonly PairedRow[]) {
  const model = await openModel(checkpoint!, { weights });
  try {
    const dimension = model.image.dimension;
    const sentences = [...new Set(rows.flatMap((row) => row.sentences.flat()))];
    const embeddings = new SentenceEmbeddings(model.encodeText, dimension);
    await embeddings.prepare(sentences);
    const tensors = new Map<string, TensorData>();
    for (const sentence of sentences) {
      tensors.set(sentence, { dtype: "float32", shape: [dimension], data: embeddings.embed([[sentence]]) });
    }
    await atomicWriteFile(join(out, `${split}-sentences.pth`), saveTorch(tensors));
  } finally {
    model.dispose();
  }
}
