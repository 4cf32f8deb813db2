// One tower of Stage 2: its pairs, its training, its judgement. Needs a backend of TensorFlow.js.
import { type Checkpoint, formatCheckpoint } from "@villa/core";
import { attributeNames, datasetTexts, throwIfAborted, vocabularyWithTruth } from "@villa/data";
import {
  attributeEmbeddings,
  exportRegionEncoder,
  initModifiedResNet,
  type ModifiedResNet,
  type PictureInput,
  pixelsEncoder,
} from "@villa/encoders";
import { assignRegions, defaultEpsilon, mappingRows, trainOptions } from "@villa/mapping";
import { type RetrievalMetrics, retrievalMetrics } from "@villa/metrics";
import {
  backendScores,
  type ContrastiveData,
  contrastiveBatch,
  embedSplit,
  imagePairs,
  type PairableImage,
  regionLabels,
  SentenceEmbeddings,
  trainContrastive,
} from "@villa/vlm";
import { breathe } from "./breathe.ts";
import { type Dataset, splitRows } from "./dataset.ts";
import { embedSplit as embedForMapping } from "./embed.ts";
import type { TowerPairs } from "./protocol.ts";
import { mentionedScores, scoreAll } from "./region-scores.ts";
import { train } from "./train.ts";

/** Hears how much of some work is done, in 0 … 1, and may end it. */
export interface Running {
  readonly onShare: (share: number) => void;
  readonly signal: AbortSignal;
}

/** Training images with the attributes and sentences that a mapping model gives their regions. */
export interface MappedImages {
  readonly rows: readonly PairableImage[];
  /** Row of the dataset that each is. */
  readonly images: readonly number[];
}

/** A trained tower. The caller disposes the tower. */
export interface TrainedTower {
  readonly tower: ModifiedResNet;
  readonly checkpoint: Checkpoint;
}

/** Of the mapping model. The same number of steps for few complex images as for many simple ones. */
const mapping = { dimension: 64, steps: 50, batchSize: 32, learningRate: 2e-3 } as const;
/** Small enough for six towers in a page: crops of 32 pixels and no map of the whole image, see docs/small-data.md. */
const form = { layers: [1, 1, 1, 1], width: 4, embedDim: 64, cropSide: 32 } as const;
/** Region-text pairs of a step on average, whatever they are: equal work for both kinds of towers. */
const pairsPerStep = 32;
/** The frozen text side: hashed words. */
const text = { embedDim: form.embedDim, seed: 23 } as const;

/** Trains a mapping model on a dataset and maps its training images. @throws VillaError `Aborted`, and as the packages do */
export async function mapTrainingImages(
  dataset: Dataset,
  { seed, onShare, signal }: Running & { readonly seed: number },
): Promise<MappedImages> {
  const { dimension, steps, learningRate } = mapping;
  const encoder = pixelsEncoder({ dimension, seed });
  try {
    const images = splitRows(dataset).get("train")!;
    const attributes = attributeNames(dataset.vocabulary);
    const attributeRows = rowsOf(await attributeEmbeddings(encoder, dataset.vocabulary));
    let embedded = 0;
    const split = await embedForMapping(dataset, { encoder }, "train", images, attributes, (count) => {
      throwIfAborted(signal);
      embedded += count;
      onShare((0.2 * embedded) / images.length);
    });
    // A few complex images use up a small budget: they make one batch.
    const batchSize = Math.min(mapping.batchSize, images.length);
    const epochs = Math.max(2, Math.round(steps / Math.floor(images.length / batchSize)));
    const { model } = await train(
      { attributes, attributeEmbeddings: attributeRows, splits: new Map([["train", split]]) },
      trainOptions({ epochs, batchSize, learningRate, seed }),
      {
        onHead: breathe,
        onEpoch: () => undefined,
        onProgress: ({ done, total = done }) => onShare(0.2 + (0.8 * done) / total),
        signal,
      },
    );
    // A training that is stopped after an epoch gives what it has.
    throwIfAborted(signal);
    const scores = mentionedScores(await scoreAll(model, split.data, attributeRows), split.data);
    const assigned = assignRegions(scores, { counts: split.data.counts, epsilon: defaultEpsilon });
    const rows = mappingRows(split.annotations, assigned, {
      attributes,
      seed,
      texts: datasetTexts(dataset.vocabulary),
    });
    return { rows, images };
  } finally {
    encoder.dispose();
  }
}

/** Trains a tower from random weights. @throws VillaError `Aborted`, and as `trainContrastive` */
export async function trainTower(
  dataset: Dataset,
  mapped: MappedImages,
  options: Running & { readonly pairs: TowerPairs; readonly steps: number; readonly seed: number },
): Promise<TrainedTower> {
  const { pairs, steps, seed, onShare, signal } = options;
  const tower = initModifiedResNet({ ...form, seed });
  let checkpoint: Checkpoint | undefined;
  try {
    const data = await pairsOf(dataset, mapped, pairs, tower.input);
    await trainContrastive(
      tower,
      { train: data },
      {
        batchSize: Math.max(2, Math.round((pairsPerStep * data.length) / data.pairs)),
        epochs: 1,
        stepsPerEpoch: steps,
        microBatch: 0,
        learningRate: 4e-3,
        weightDecay: 0,
        schedule: "cosine",
        warmupSteps: Math.round(steps / 20),
        seed,
        checkpoints: {
          saveLast: async (latest) => {
            checkpoint = latest;
          },
          markBest: async () => undefined,
          loadLast: async () => undefined,
        },
        // What `villa evaluate` opens the checkpoint by.
        extra: { model: { image: tower.description, text: { family: "hashed", config: text } } },
        onProgress: ({ done, total = done }) => onShare(done / total),
        signal,
      },
    );
    return { tower, checkpoint: checkpoint! };
  } catch (error) {
    tower.dispose();
    throw error;
  }
}

async function pairsOf(
  dataset: Dataset,
  { rows, images }: MappedImages,
  mode: TowerPairs,
  input: PictureInput,
): Promise<ContrastiveData & { readonly pairs: number }> {
  const texts = datasetTexts(dataset.vocabulary);
  const usable = rows.flatMap((row, i) => {
    const pairs = imagePairs(row, mode, { texts });
    return pairs.boxes.length > 0 ? [{ image: images[i]!, pairs }] : [];
  });
  const encoder = textEncoder();
  const embeddings = new SentenceEmbeddings((sentences) => encoder.encodeText(sentences), encoder.dimension);
  await embeddings.prepare(usable.flatMap(({ pairs }) => pairs.sentences.flat()));
  return {
    length: usable.length,
    pairs: usable.reduce((sum, { pairs }) => sum + pairs.boxes.length, 0),
    async batch(indices) {
      // "Stop" is heard between two steps.
      await breathe();
      const members = Array.from(indices, (i) => usable[i]!);
      return contrastiveBatch(
        await Promise.all(members.map(({ image }) => dataset.readImage(image))),
        members.map(({ pairs }) => pairs),
        { embedText: (sentences) => embeddings.embed(sentences), input },
      );
    },
  };
}

/** Retrieval of a tower on the regions of a split, as `villa evaluate` measures it. @throws VillaError `Aborted`, `Mismatch` */
export async function judgeTower(
  tower: ModifiedResNet,
  { dataset, split }: { readonly dataset: Dataset; readonly split: string },
  { onShare, signal }: Running,
): Promise<RetrievalMetrics> {
  const rows = splitRows(dataset)
    .get(split)!
    .map((image) => ({ ...dataset.rows[image]!, image }));
  const read = async ({ image }: { readonly image: number }) => {
    await breathe();
    return dataset.readImage(image);
  };
  const onProgress = ({ done, total = done }: { done: number; total?: number | undefined }) => onShare(done / total);
  const regions = await embedSplit(tower, rows, { load: read, onProgress, signal });
  const vocabulary = vocabularyWithTruth(dataset.vocabulary);
  const encoder = textEncoder();
  const attributes = rowsOf(await attributeEmbeddings(encoder, vocabulary));
  const embeddings = { regions, attributes, dimension: encoder.dimension };
  const labels = regionLabels(rows, attributeNames(vocabulary));
  return retrievalMetrics({ ...embeddings, labels, scores: backendScores(embeddings) });
}

/** A tower as files: for any ONNX runtime, and the checkpoint that `villa` reads. */
export async function towerFiles({ tower, checkpoint }: TrainedTower) {
  return { onnx: exportRegionEncoder(await tower.stateDict(), tower.config), checkpoint: formatCheckpoint(checkpoint) };
}

const textEncoder = () => pixelsEncoder({ dimension: text.embedDim, seed: text.seed });

const rowsOf = (byName: ReadonlyMap<string, Float32Array>): Float32Array =>
  Float32Array.from([...byName.values()].flatMap((values) => [...values]));
