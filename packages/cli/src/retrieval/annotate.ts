import { attributeNames, type ImageAnnotation } from "@villa/data";
import type { Dataset } from "@villa/data/node";
import { vocabularyEmbeddings } from "@villa/vlm/node";
import { dot, openRetrieval, type RetrievalOptions } from "./open-retrieval.ts";
import { requireNumbers } from "./require-numbers.ts";
import { isStage1Model, scoreByStage1 } from "./stage1-scores.ts";

/** What is annotated, and how fully. */
export interface AnnotateOptions extends RetrievalOptions {
  /** Attributes of each region. Default 3. */
  readonly top?: number | undefined;
  /** Attributes below this score are left out. */
  readonly minScore?: number | undefined;
}

/** What is known about a region. */
export interface RegionAnnotation {
  /** Of the dataset. */
  readonly image_id: number;
  /** The image's path in the table that the dataset was made from. */
  readonly source?: string | undefined;
  /** Of its image. */
  readonly split: string;
  /** Its number within the image, from 0. */
  readonly region: number;
  /** [x0, y0, x1, y1] in pixels. */
  readonly box: readonly number[];
  /** Best first; scores are cosines, or of Stage 1 standard deviations above the attribute's mean over all regions. */
  readonly attributes: readonly { readonly name: string; readonly score: number }[];
}

/** A dataset whose regions are being annotated. */
export interface Annotating {
  readonly dataset: Dataset;
  readonly rows: readonly ImageAnnotation[];
  /** All attributes that a region can get. */
  readonly attributes: readonly string[];
  /** Regions whose masks an encoder that was not trained here left out of account, since `regions` was not given. */
  readonly unusedMasks: number;
  /** Every region once, in the order of the rows. */
  regions(): AsyncGenerator<RegionAnnotation>;
  /** Frees the model. */
  dispose(): void;
}

/** Opens the dataset and the model, of either stage. The caller disposes. */
export async function openAnnotating(options: AnnotateOptions): Promise<Annotating> {
  return (await isStage1Model(options.checkpoint)) ? annotatingByStage1(options) : annotatingByStage2(options);
}

async function annotatingByStage1(options: AnnotateOptions): Promise<Annotating> {
  const { dataset, rows, sources, attributes, scores } = await scoreByStage1(options);
  return {
    dataset,
    rows,
    attributes,
    unusedMasks: 0,
    async *regions() {
      let at = 0;
      for (const row of rows) {
        for (const region of row.regionCoord.keys()) {
          const own = best(attributes, (a) => scores[a]![at]!, options);
          at++;
          yield annotation(row, region, sources, own);
        }
      }
    },
    dispose: () => {},
  };
}

async function annotatingByStage2(options: AnnotateOptions): Promise<Annotating> {
  const { dataset, model, index, unusedMasks, sources } = await openRetrieval(options);
  const attributes = attributeNames(dataset.vocabulary);
  return {
    dataset,
    rows: index.rows,
    attributes,
    unusedMasks,
    dispose: () => model.dispose(),
    async *regions() {
      const embeddings = await vocabularyEmbeddings(model, dataset.vocabulary);
      const dimension = embeddings.length / attributes.length;
      const vectors = attributes.map((_, a) => embeddings.subarray(a * dimension, (a + 1) * dimension));
      for await (const { rows, regions } of index.parts()) {
        let at = 0;
        for (const row of rows) {
          for (const region of row.regionCoord.keys()) {
            const start = at;
            const own = best(attributes, (a) => dot(regions, start, vectors[a]!), options);
            at += dimension;
            yield annotation(row, region, sources, own);
          }
        }
      }
    },
  };
}

function annotation(
  { imageId, split, regionCoord }: ImageAnnotation,
  region: number,
  sources: ReadonlyMap<number, string>,
  attributes: RegionAnnotation["attributes"],
): RegionAnnotation {
  return { image_id: imageId, source: sources.get(imageId), split, region, box: regionCoord[region]!, attributes };
}

function best(
  names: readonly string[],
  score: (attribute: number) => number,
  { top = 3, minScore = Number.NEGATIVE_INFINITY }: AnnotateOptions,
): RegionAnnotation["attributes"] {
  const scored = names.map((name, a) => ({ name, score: Number(score(a).toFixed(6)) }));
  requireNumbers(scored);
  return scored
    .filter((each) => each.score >= minScore)
    .sort((a, b) => b.score - a.score)
    .slice(0, top);
}
