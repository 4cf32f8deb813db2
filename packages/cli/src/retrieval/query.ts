import { AttributeMentions, functionWords, proseSentences, type RgbImage, VillaError, wordsOf } from "@villa/data";
import { type Dataset, withPath } from "@villa/data/node";
import { parseRegionRule, ruledRegions } from "@villa/ingest";
import { readPicture } from "@villa/ingest/node";
import { embedSplit, SentenceEmbeddings } from "@villa/vlm";
import { openModel, type VisionLanguageModel } from "@villa/vlm/node";
import { openRetrieval, type RankedRegion, type RetrievalOptions, rankRegions } from "./open-retrieval.ts";
import { requireNumbers } from "./require-numbers.ts";
import { isStage1Model, scoreByStage1 } from "./stage1-scores.ts";

/** What {@link query} is asked. */
export interface QueryOptions extends Omit<RetrievalOptions, "dataDir" | "regions"> {
  /** The dataset whose regions are ranked; not needed for `text` about one `image`. */
  readonly dataDir?: string | undefined;
  /** What to look for. */
  readonly text?: string | undefined;
  /** A picture of its own: with a text, its regions are ranked; without one, the dataset's regions that look like it. */
  readonly image?: string | undefined;
  /**
   * With a text about one picture, how that is divided: default `grid:3x3`. Else how the dataset's regions are embedded:
   * default as the checkpoint was trained, or `roi-align`.
   */
  readonly regions?: string | undefined;
  /** Number of answers. Default 10. */
  readonly top?: number | undefined;
  /** Only the best region of each image. */
  readonly perImage?: boolean | undefined;
}

/** One answer to a query. */
export interface QueryHit {
  /** From 1. */
  readonly rank: number;
  /** A cosine, or of Stage 1 standard deviations above the mean of the attributes that were asked for. */
  readonly score: number;
  /** Of the dataset. */
  readonly imageId?: number | undefined;
  /** The image's path in the table that the dataset was made from, or the query's own picture. */
  readonly source?: string | undefined;
  /** [x0, y0, x1, y1] in pixels. */
  readonly box: readonly number[];
  /** Compressed run lengths of the region's mask, of the size of the image, where it has one. */
  readonly mask?: string | undefined;
  /** The image's text. */
  readonly text?: string | undefined;
}

/** What {@link query} answers. */
export interface QueryResult {
  /** Best first. */
  readonly hits: readonly QueryHit[];
  /** The picture of each hit. */
  readonly pictures: readonly RgbImage[];
  /** Words of the question that a model of hashed words cannot know. */
  readonly unknownWords: readonly string[];
  /** Regions whose masks an encoder that was not trained here left out of account, since `regions` was not given. */
  readonly unusedMasks: number;
  /** What a model of Stage 1 was asked: the attributes that the question names. */
  readonly attributes?: readonly string[] | undefined;
}

/**
 * Ranks regions by a text or a picture with a trained model: of Stage 2, or, for texts about the dataset's attributes, of
 * Stage 1.
 *
 * @throws VillaError `InvalidArgument` when there is nothing to ask or nothing to rank, `NotFinite` for a damaged model
 */
export async function query(options: QueryOptions): Promise<QueryResult> {
  const result = await answered(options);
  requireNumbers(result.hits);
  return result;
}

async function answered(options: QueryOptions): Promise<QueryResult> {
  const { text, image, dataDir } = options;
  if (text === undefined && image === undefined) {
    throw new VillaError("InvalidArgument", "Give --text, --image or both.");
  }
  // What is wrong with the question is said before a dataset is embedded.
  if (text !== undefined && proseSentences(text).length === 0) {
    throw new VillaError("InvalidArgument", "--text has no word.");
  }
  if (await isStage1Model(options.checkpoint)) return queryStage1(options);
  if (text !== undefined && image !== undefined) return queryPicture(options, proseSentences(text), image);
  if (dataDir === undefined) {
    throw new VillaError("InvalidArgument", "Give --data-dir: the dataset whose regions are ranked.");
  }
  const regions = embeddingOf(options.regions);
  const picture = image === undefined ? undefined : await readPicture(image);
  const { dataset, model, index, unusedMasks, sources } = await openRetrieval({ ...options, dataDir, regions });
  try {
    const unknown = model.text.family === "hashed" ? unknownWords(text ?? "", dataset.annotations) : [];
    requireKnownWord(text, unknown);
    const { language } = dataset.vocabulary;
    const query = await (picture
      ? pictureEmbedding(model, picture)
      : textEmbedding(model, proseSentences(text ?? "", { language })));
    const ranked = await rankRegions(index.parts(), query, { ...options, top: options.top ?? defaultTop });
    return {
      ...(await answers(ranked, dataset, sources)),
      unknownWords: unknown,
      unusedMasks,
    };
  } finally {
    model.dispose();
  }
}

const defaultTop = 10;

/** @throws VillaError `InvalidArgument` for another word than how regions are embedded */
function embeddingOf(regions: string | undefined): RetrievalOptions["regions"] {
  if (regions === undefined || regions === "roi-align" || regions === "crop" || regions === "mask") return regions;
  throw new VillaError(
    "InvalidArgument",
    `--regions takes roi-align, crop or mask for the regions of a dataset, not "${regions}"; full and grid:3x3 divide the picture that --text asks about.`,
  );
}

/** Ranks the regions of a dataset by the attributes that a text names, each by its own head. */
async function queryStage1(options: QueryOptions): Promise<QueryResult> {
  const { dataDir, text, image, top = defaultTop } = options;
  if (text === undefined || dataDir === undefined || image !== undefined) {
    throw new VillaError(
      "InvalidArgument",
      "A model of Stage 1 answers --text about the regions of --data-dir; for --image take a model of Stage 2.",
    );
  }
  const { dataset, rows, sources, attributes, scores } = await scoreByStage1(
    { ...options, dataDir, regions: embeddingOf(options.regions) },
    (own, known) => {
      const named = new AttributeMentions(own.vocabulary).find(text).filter((name) => known.includes(name));
      if (named.length > 0) return named;
      const shown =
        known.length > 20 ? `${known.slice(0, 20).join(", ")} and ${known.length - 20} more` : known.join(", ");
      throw new VillaError(
        "InvalidArgument",
        `A model of Stage 1 knows its attributes alone, and "${text}" names none of them: ${shown}.`,
      );
    },
  );
  const mean = scores[0]!.map((_, region) => scores.reduce((sum, each) => sum + each[region]!, 0) / scores.length);
  // One number a region is an embedding of one dimension.
  const ranked = await rankRegions([{ rows, regions: mean }], Float32Array.of(1), { ...options, top });
  return {
    ...(await answers(ranked, dataset, sources)),
    unknownWords: [],
    unusedMasks: 0,
    attributes,
  };
}

/** Ranks the regions of one picture. */
async function queryPicture(options: QueryOptions, sentences: string[], path: string): Promise<QueryResult> {
  const { checkpoint, weights, regions = "grid:3x3", top = defaultTop, onProgress, signal } = options;
  const rule = parseRegionRule(regions);
  if (!rule) throw new VillaError("InvalidArgument", `--regions takes full or grid:3x3 here, not "${regions}".`);
  const picture = await readPicture(path);
  const boxes = await withPath(path, () => ruledRegions(rule, picture));
  const model = await openModel(checkpoint, { weights, onProgress, signal });
  try {
    const row = pictureRow(picture, boxes);
    const part = { rows: [row], regions: await embedSplit(model.image, [row], { load: async () => picture }) };
    const ranked = await rankRegions([part], await textEmbedding(model, sentences), { top });
    return {
      hits: ranked.map((hit, i) => {
        const { imageId: _, ...own } = asHit(hit, i);
        return { ...own, source: path };
      }),
      pictures: ranked.map(() => picture),
      unknownWords: [],
      unusedMasks: 0,
    };
  } finally {
    model.dispose();
  }
}

/** [d] mean of the normalised sentences, normalised: as in training. */
async function textEmbedding({ encodeText, image }: VisionLanguageModel, sentences: string[]): Promise<Float32Array> {
  const embeddings = new SentenceEmbeddings(encodeText, image.dimension);
  await embeddings.prepare(sentences);
  return embeddings.embed([sentences]);
}

/** [d] the picture as one region. */
async function pictureEmbedding({ image }: VisionLanguageModel, picture: RgbImage): Promise<Float32Array> {
  const row = pictureRow(picture, [[0, 0, picture.width, picture.height]]);
  return embedSplit(image, [row], { load: async () => picture });
}

function pictureRow({ width, height }: RgbImage, regionCoord: RankedRegion["row"]["regionCoord"]): RankedRegion["row"] {
  return {
    imageId: 0,
    imageSize: [height, width],
    imageFilepath: "query",
    regionCoord,
    numRegions: regionCoord.length,
    split: "query",
    text: "",
    attributes: [],
  };
}

function asHit({ row, region, score }: RankedRegion, i: number) {
  const mask = row.regionMasks?.[region] ?? undefined;
  return { rank: i + 1, score: Number(score.toFixed(6)), imageId: row.imageId, box: row.regionCoord[region]!, mask };
}

/** What both stages answer about a dataset's regions. */
async function answers(
  ranked: readonly RankedRegion[],
  dataset: Dataset,
  sources: ReadonlyMap<number, string>,
): Promise<Pick<QueryResult, "hits" | "pictures">> {
  return {
    hits: ranked.map((hit, i) => ({
      ...asHit(hit, i),
      source: sources.get(hit.row.imageId),
      text: hit.row.text,
    })),
    pictures: await Promise.all(ranked.map(({ row }) => dataset.readImage(row))),
  };
}

/**
 * Words of a question that no text has. A text side of hashed words learns nothing about a word that it has not read,
 * and ranks by what is left.
 */
export function unknownWords(question: string, rows: Iterable<{ readonly text: string }>): string[] {
  const unknown = new Set(wordsOf(question));
  for (const { text } of rows) {
    if (unknown.size === 0) break;
    for (const word of wordsOf(text)) unknown.delete(word);
  }
  return [...unknown].filter((word) => !functionWords.has(word));
}

/** @throws VillaError `InvalidArgument` when a model of hashed words knows no word of the question */
function requireKnownWord(text: string | undefined, unknown: readonly string[]): void {
  if (text === undefined) return;
  const known = wordsOf(text).filter((word) => !functionWords.has(word) && !unknown.includes(word));
  if (known.length > 0) return;
  throw new VillaError(
    "InvalidArgument",
    `No text of the dataset contains a word of "${text}", so this model cannot know what that looks like.`,
  );
}
