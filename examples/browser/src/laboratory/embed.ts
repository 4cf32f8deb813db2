import { attributeNames, type ProgressListener, throwIfAborted } from "@villa/data";
import { attributeEmbeddings, type Encoder } from "@villa/encoders";
import { buildSplit, type SplitData } from "@villa/mapping";
import { breathe } from "./breathe.ts";
import { type Dataset, splitRows } from "./dataset.ts";
import { digestOf } from "./digest.ts";
import { keepEmbeddings, keptEmbeddings } from "./kept-embeddings.ts";

/** A dataset as the mapping model takes it. */
export interface EmbeddedDataset {
  readonly attributes: readonly string[];
  /** [A, d] */
  readonly attributeEmbeddings: Float32Array;
  readonly splits: ReadonlyMap<string, EmbeddedSplit>;
}

export interface EmbeddedSplit extends SplitData {
  /** Row of the dataset that each image is. */
  readonly images: readonly number[];
}

/** Random projections take no time; an encoder of the visitor's takes seconds for a few images. */
const imagesPerStep = { pixels: 64, own: 8 };

/** What embeds a dataset. */
export interface Embedder {
  readonly encoder: Encoder;
  /** Of an encoder whose embeddings are worth keeping for the next visit: what tells it from others. */
  readonly key?: string | undefined;
}

/** @throws VillaError as `buildSplit`, `Aborted` on the signal */
export async function embedDataset(
  dataset: Dataset,
  embedder: Embedder,
  { onProgress, signal }: { readonly onProgress: ProgressListener; readonly signal: AbortSignal },
): Promise<EmbeddedDataset> {
  const { encoder } = embedder;
  const attributes = attributeNames(dataset.vocabulary);
  const byName = await attributeEmbeddings(encoder, dataset.vocabulary);
  const embeddings = new Float32Array(attributes.length * encoder.dimension);
  for (const [a, name] of attributes.entries()) embeddings.set(byName.get(name)!, a * encoder.dimension);
  const splits = new Map<string, EmbeddedSplit>();
  let done = 0;
  for (const [split, images] of splitRows(dataset)) {
    const step = (count: number): void => {
      throwIfAborted(signal);
      done += count;
      onProgress({ task: "embedding regions", done, total: dataset.rows.length, unit: "images" });
    };
    splits.set(split, await embedSplit(dataset, embedder, split, images, attributes, step));
  }
  return { attributes, attributeEmbeddings: embeddings, splits };
}

/** One split. @param images rows of the dataset */
export async function embedSplit(
  dataset: Dataset,
  embedder: Embedder,
  split: string,
  images: readonly number[],
  attributes: readonly string[],
  onStep: (images: number) => void = () => {},
): Promise<EmbeddedSplit> {
  const { dimension } = embedder.encoder;
  const values = await regionEmbeddings(dataset, embedder, images, onStep);
  const regions = new Map<number, Float32Array>();
  let at = 0;
  for (const image of images) {
    const { imageId, numRegions } = dataset.rows[image]!;
    const end = at + numRegions * dimension;
    regions.set(imageId, values.subarray(at, end));
    at = end;
  }
  const annotations = images.map((image) => dataset.rows[image]!);
  const data = buildSplit({
    split,
    annotations,
    attributes,
    dimension,
    regions: (imageId) => regions.get(imageId),
    omitUncertain: dataset.vocabulary.uncertain === "omit",
    withoutTruth: dataset.vocabulary.withoutTruth,
  });
  return { ...data, images };
}

/** Embeddings of all regions of some images, one after another; those that were kept from an earlier visit, if any. */
async function regionEmbeddings(
  dataset: Dataset,
  { encoder, key }: Embedder,
  images: readonly number[],
  onStep: (images: number) => void,
): Promise<Float32Array> {
  const boxesOf = (image: number) => dataset.rows[image]!.regionCoord;
  const count = images.reduce((sum, image) => sum + boxesOf(image).length, 0);
  const place = key === undefined ? undefined : await keyOf(dataset, key, images);
  const kept = place === undefined ? undefined : await keptEmbeddings(place, count * encoder.dimension);
  if (kept) {
    onStep(images.length);
    return kept;
  }
  const all = new Float32Array(count * encoder.dimension);
  let at = 0;
  const step = key === undefined ? imagesPerStep.pixels : imagesPerStep.own;
  for (let from = 0; from < images.length; from += step) {
    const chunk = images.slice(from, from + step);
    const values = await encoder.encodeRegions(await Promise.all(chunk.map(dataset.readImage)), chunk.map(boxesOf));
    all.set(values, at);
    at += values.length;
    await breathe();
    onStep(chunk.length);
  }
  if (place !== undefined) await keepEmbeddings(place, all);
  return all;
}

/** Whether the embeddings of a dataset are kept. @param dimension length of the encoder's vectors */
export async function isKept(dataset: Dataset, key: string, dimension: number): Promise<boolean> {
  for (const images of splitRows(dataset).values()) {
    const count = images.reduce((sum, image) => sum + dataset.rows[image]!.numRegions, 0);
    if (!(await keptEmbeddings(await keyOf(dataset, key, images), count * dimension))) return false;
  }
  return true;
}

/** Equal for the same encoder, pixels and boxes only. One image is in memory at a time. */
function keyOf(dataset: Dataset, key: string, images: readonly number[]): Promise<string> {
  return digestOf(
    (async function* () {
      yield new TextEncoder().encode(key);
      for (const image of images) {
        const { width, height, data } = await dataset.readImage(image);
        const boxes = dataset.rows[image]!.regionCoord;
        yield new Blob([JSON.stringify({ width, height, boxes }), new Uint8Array(data)]);
      }
    })(),
  );
}
