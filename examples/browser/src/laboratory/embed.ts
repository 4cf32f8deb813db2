import { attributeNames, type ProgressListener, throwIfAborted } from "@villa/data";
import { attributeEmbeddings, type Encoder } from "@villa/encoders";
import { buildSplit, type SplitData } from "@villa/mapping";
import { breathe } from "./breathe.ts";
import { type Dataset, splitRows } from "./dataset.ts";

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

const imagesPerStep = 64;

/** @throws VillaError as `buildSplit`, `Aborted` on the signal */
export async function embedDataset(
  dataset: Dataset,
  encoder: Encoder,
  { onProgress, signal }: { readonly onProgress: ProgressListener; readonly signal: AbortSignal },
): Promise<EmbeddedDataset> {
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
    splits.set(split, await embedSplit(dataset, encoder, split, images, attributes, step));
  }
  return { attributes, attributeEmbeddings: embeddings, splits };
}

/** One split. @param images rows of the dataset */
export async function embedSplit(
  dataset: Dataset,
  encoder: Encoder,
  split: string,
  images: readonly number[],
  attributes: readonly string[],
  onStep: (images: number) => void = () => {},
): Promise<EmbeddedSplit> {
  const regions = new Map<number, Float32Array>();
  for (let from = 0; from < images.length; from += imagesPerStep) {
    const chunk = images.slice(from, from + imagesPerStep);
    const boxes = chunk.map((image) => dataset.rows[image]!.regionCoord);
    const values = await encoder.encodeRegions(await Promise.all(chunk.map(dataset.readImage)), boxes);
    let at = 0;
    chunk.forEach((image, i) => {
      const end = at + boxes[i]!.length * encoder.dimension;
      regions.set(dataset.rows[image]!.imageId, values.subarray(at, end));
      at = end;
    });
    await breathe();
    onStep(chunk.length);
  }
  const annotations = images.map((image) => dataset.rows[image]!);
  const { dimension } = encoder;
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
