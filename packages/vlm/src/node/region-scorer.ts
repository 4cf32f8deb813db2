import { type AttributeVocabulary, checkArgument, type ImageAnnotation, type ProgressListener } from "@villa/data";
import { type Dataset, openDataset, requireRows } from "@villa/data/node";
import type { RegionOptions } from "@villa/encoders";
import type { Box } from "@villa/metrics";
import { backendScores } from "../backend-scores.ts";
import { embedSplit } from "../evaluate.ts";
import { SentenceEmbeddings } from "../text-embeddings.ts";
import { classEmbeddings } from "../zero-shot/class-embeddings.ts";
import { openModel, regionsOf } from "./model.ts";

/** What {@link openScorer} opens. */
export interface ScorerOptions extends Pick<RegionOptions, "regions"> {
  readonly dataDir: string;
  /** A Stage 2 checkpoint, or weights that are used as they are (zero-shot). */
  readonly checkpoint: string;
  /** Default "test". */
  readonly split?: string | undefined;
  /** Where the text side's weights are now. */
  readonly weights?: string | undefined;
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A model at work on a split of a dataset: boxes and texts in, cosines out. */
export interface RegionScorer {
  readonly dataset: Dataset;
  readonly vocabulary: AttributeVocabulary;
  readonly rows: readonly ImageAnnotation[];
  readonly dimension: number;
  /** How the model embeds regions, where it can do so in several ways. */
  readonly regions: RegionOptions["regions"];
  /**
   * @param boxesOf each image's boxes; where it gives the row's own `regionCoord`, a model of masks sees their masks
   * @returns [boxes of all images, dimension] L2-normalised
   */
  embedBoxes(boxesOf: (row: ImageAnnotation) => readonly Box[]): Promise<Float32Array>;
  /** @returns [classes, dimension] the normalised mean over each class's sentences */
  embedClasses(prompts: readonly (readonly string[])[]): Promise<Float32Array>;
  /** @returns [texts, dimension] each the normalised mean of its normalised sentences, as Stage 2 has texts */
  embedTexts(texts: readonly (readonly string[])[]): Promise<Float32Array>;
  /** @returns [boxes, texts] cosines */
  cosines(boxes: Float32Array, texts: Float32Array): Promise<Float32Array>;
  /** Frees what it holds on the backend. */
  dispose(): void;
}

/**
 * Opens a model and a split of a dataset to score regions by text.
 *
 * @throws VillaError `NotFound` for a missing file or split; as `openModel`
 */
export async function openScorer(options: ScorerOptions): Promise<RegionScorer> {
  checkArgument("options", options, {
    dataDir: "text",
    checkpoint: "text",
    "split?": "text",
    "weights?": "text",
    "regions?": "'roi-align' | 'crop' | 'mask'",
    "onProgress?": "function",
    "signal?": "object",
  });

  const { dataDir, checkpoint, split = "test", weights, regions, onProgress, signal } = options;
  const dataset = await openDataset(dataDir);
  const rows = requireRows(dataset, split);
  const model = await openModel(checkpoint, { weights, regions, onProgress, signal });
  const dimension = model.image.dimension;
  const sentences = new SentenceEmbeddings(model.encodeText, dimension);
  return {
    dataset,
    vocabulary: dataset.vocabulary,
    rows,
    dimension,
    regions: regionsOf(model),
    embedBoxes: (boxesOf) => {
      const images = rows.map((row) => {
        const boxes = boxesOf(row);
        return boxes === row.regionCoord ? row : { ...row, regionCoord: boxes, regionMasks: undefined };
      });
      return embedSplit(model.image, images, { load: (row) => dataset.readImage(row), onProgress, signal });
    },
    embedClasses: (prompts) => classEmbeddings(model.encodeText, { prompts, dimension }),
    embedTexts: async (texts) => {
      await sentences.prepare(texts.flat());
      return sentences.embed(texts);
    },
    cosines: async (boxes, texts) => {
      const [rowCount, columns] = [boxes.length / dimension, texts.length / dimension];
      const scores = await backendScores({ regions: boxes, attributes: texts, dimension })(
        { start: 0, count: columns },
        { start: 0, count: rowCount },
      );
      const cosines = new Float32Array(scores.length);
      for (let r = 0; r < rowCount; r++) {
        for (let c = 0; c < columns; c++) cosines[r * columns + c] = scores[c * rowCount + r]!;
      }
      return cosines;
    },
    dispose: () => model.dispose(),
  };
}
