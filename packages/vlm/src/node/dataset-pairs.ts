import { checkArgument, datasetTexts, VillaError } from "@villa/data";
import { type Dataset, datasetRule } from "@villa/data/node";
import type { PictureInput } from "@villa/encoders";
import { contrastiveBatch } from "../batch.ts";
import { type ImagePairs, imagePairs, type PairMode, type RegionShape } from "../pairs.ts";
import type { SentenceEmbeddings } from "../text-embeddings.ts";
import type { ContrastiveData } from "../train.ts";
import { digestPairs } from "./stage2-fingerprint.ts";

/** A split as training data, and how many of its images had nothing to contribute. */
export interface SplitPairs extends ContrastiveData {
  readonly skippedImages: number;
  readonly pairs: number;
  /** sha256 of the pairs. */
  readonly digest: string;
}

/**
 * The region-text pairs of a split; images are read when a batch asks for them.
 *
 * @param options `input`: how the tower takes pictures; `regions`: boxes (default), or masks where there are any
 * @throws VillaError `NotFound` when `pairs` is "mapping" and Stage 1 has not written the split's mapping; `Mismatch`
 *   when the mapping belongs to another dataset
 */
export async function splitPairs(
  dataset: Dataset,
  options: {
    readonly split: string;
    readonly mode: PairMode;
    readonly embeddings: SentenceEmbeddings;
    readonly input?: PictureInput | undefined;
    readonly regions?: RegionShape | undefined;
  },
): Promise<SplitPairs> {
  checkArgument("dataset", dataset, datasetRule);
  checkArgument("options", options, {
    split: "text",
    mode: "'mapping' | 'image' | 'oracle'",
    embeddings: { dimension: "count", rows: "Map", prepare: "function", embed: "function" },
    "input?": { regions: "object", whole: "object", resample: "text", smallest: "number" },
    "regions?": "'roi-align' | 'mask'",
  });
  const { split, mode, embeddings, input, regions = "roi-align" } = options;

  const rows = mode === "mapping" ? await checkedMappings(dataset, split) : dataset.rows(split);
  const texts = datasetTexts(dataset.vocabulary);
  const usable: { row: (typeof rows)[number]; pairs: ImagePairs }[] = [];
  for (const row of rows) {
    const pairs = imagePairs(row, mode, { texts, regions });
    if (pairs.boxes.length > 0) usable.push({ row, pairs });
  }
  await embeddings.prepare(usable.flatMap(({ pairs }) => pairs.sentences.flat()));
  return {
    length: usable.length,
    skippedImages: rows.length - usable.length,
    pairs: usable.reduce((sum, { pairs }) => sum + pairs.boxes.length, 0),
    digest: digestPairs(usable.map(({ row, pairs }) => ({ imageId: row.imageId, pairs }))),
    async batch(indices, augment = (picture) => picture) {
      const members = Array.from(indices, (i) => usable[i]!);
      const images = await Promise.all(members.map(({ row }) => dataset.readImage(row)));
      const pictures = members.map(({ pairs: { boxes, masks } }, i) => augment({ image: images[i]!, boxes, masks }));
      return contrastiveBatch(
        pictures.map(({ image }) => image),
        members.map(({ pairs: { sentences } }, i) => ({
          sentences,
          boxes: pictures[i]!.boxes,
          masks: pictures[i]!.masks,
        })),
        { embedText: (sentences) => embeddings.embed(sentences), input },
      );
    },
  };
}

async function checkedMappings(dataset: Dataset, split: string) {
  const mappings = await dataset.mappings(split);
  const annotations = new Map(dataset.rows(split).map((row) => [row.imageId, row]));
  for (const mapping of mappings) {
    const own = annotations.get(mapping.imageId);
    if (!own || own.text !== mapping.text || own.regionCoord.length !== mapping.regionCoord.length) {
      throw new VillaError(
        "Mismatch",
        `mapping_${split}.feather does not fit this dataset (image ${mapping.imageId}); run Stage 1 on it again.`,
      );
    }
  }
  return mappings;
}
