import {
  type ArgumentRule,
  type AttributeVocabulary,
  attributeNames,
  checkArgument,
  type ProgressListener,
  VillaError,
  vocabularyWithTruth,
} from "@villa/data";
import {
  type Dataset,
  datasetRule,
  openDataset,
  readAttributeEmbeddings,
  readEmbeddingManifest,
  readRegionEmbeddings,
  requireRows,
} from "@villa/data/node";
import { attributeEmbeddings, type RegionOptions } from "@villa/encoders";
import { type RetrievalInput, type RetrievalMetrics, retrievalMetrics } from "@villa/metrics";
import { backendScores } from "../backend-scores.ts";
import { embedSplit, normalizeRows, regionLabels } from "../evaluate.ts";
import { topAttributes, topRegions } from "../retrieval-examples.ts";
import { openModel, regionsOf, type VisionLanguageModel } from "./model.ts";
import { RegionIndex } from "./region-index.ts";

/** What {@link evaluateCheckpoint} evaluates. */
export interface EvaluateOptions extends Pick<RegionOptions, "regions"> {
  readonly dataDir: string;
  /** A Stage 2 checkpoint, CLIP weights (zero-shot), or "embeddings": the dataset's own region_embs, as a floor. */
  readonly checkpoint: string;
  /** Default "test". */
  readonly split?: string | undefined;
  readonly ks?: readonly number[] | undefined;
  /** Where CLIP's weights are, when the checkpoint's text side needs them. */
  readonly weights?: string | undefined;
  /** Take the embeddings of regions from the {@link RegionIndex} of the dataset, which shards have filled. */
  readonly indexed?: boolean | undefined;
  /** Also give so many best regions of each attribute, and the best attributes of the regions of so many images. */
  readonly examples?: { readonly regions: number; readonly images: number } | undefined;
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a model found, for looking at. */
export interface RetrievalExamples {
  /** For each attribute its best regions. */
  readonly byAttribute: readonly { readonly attribute: string; readonly regions: readonly FoundRegion[] }[];
  /** The first images of the split; for each of their regions as many attributes as it truly has, at least one. */
  readonly byImage: readonly {
    readonly imageId: number;
    readonly regions: readonly (readonly FoundAttribute[])[];
  }[];
}

/** A region that was found for an attribute. */
export interface FoundRegion {
  readonly imageId: number;
  /** Number of the region within its image, from 0. */
  readonly region: number;
  /** Cosine. */
  readonly score: number;
  readonly correct: boolean;
}

/** An attribute that was found for a region. */
export interface FoundAttribute {
  readonly attribute: string;
  /** Cosine. */
  readonly score: number;
  readonly correct: boolean;
}

/** Retrieval of a model on a split. */
export interface Evaluation extends RetrievalMetrics {
  readonly split: string;
  readonly images: number;
  readonly regions: number;
  /** Names of `perAttribute`. */
  readonly attributes: readonly string[];
  /** Text → region R-Precision averaged over each group's attributes; null for a group that no region shows. */
  readonly perGroup: readonly { readonly group: string; readonly rPrecision: number | null }[];
  /** Where `examples` asked for them. */
  readonly examples?: RetrievalExamples | undefined;
}

/** A split's regions and attributes as a checkpoint embeds them, with the truth. */
export interface EmbeddedSplit {
  readonly dataset: Dataset;
  readonly rows: Rows;
  /** The dataset's, as far as its truth covers it. */
  readonly vocabulary: AttributeVocabulary;
  /** Names of its attributes, in the order of their embeddings. */
  readonly attributes: readonly string[];
  readonly input: RetrievalInput;
  /** How regions were embedded, where the encoder can do so in several ways. */
  readonly regions?: RegionOptions["regions"];
}

const evaluateRule: ArgumentRule = {
  dataDir: "text",
  checkpoint: "text",
  "split?": "text",
  "ks?": "numbers",
  "weights?": "text",
  "regions?": "'roi-align' | 'crop' | 'mask'",
  "indexed?": "boolean",
  "examples?": { regions: "count", images: "count" },
  "onProgress?": "function",
  "signal?": "object",
};

/**
 * Region ↔ text retrieval of a checkpoint on one split of a dataset. Attributes that its truth does not cover (the
 * vocabulary's `withoutTruth`) are neither asked for nor ranked.
 *
 * @throws VillaError `NotFound` for a missing file or split, `Mismatch` when there is no ground truth or, with `indexed`,
 *   when shards are missing
 * @see ViLLA paper, section 4
 */
export async function evaluateCheckpoint(options: EvaluateOptions): Promise<Evaluation> {
  checkArgument("options", options, evaluateRule);

  return evaluateEmbedded(await embedForEvaluation(options), options);
}

/** The embeddings that {@link evaluateCheckpoint} judges. @throws VillaError as it does */
export async function embedForEvaluation(options: EvaluateOptions): Promise<EmbeddedSplit> {
  checkArgument("options", options, evaluateRule);

  const { dataDir, checkpoint, split = "test" } = options;
  const dataset = await openDataset(dataDir);
  const rows = requireRows(dataset, split);
  const vocabulary = vocabularyWithTruth(dataset.vocabulary);
  const attributes = attributeNames(vocabulary);
  if (attributes.length === 0) {
    throw new VillaError(
      "Mismatch",
      `${dataDir} does not say of any attribute which regions have it; retrieval cannot be scored.`,
    );
  }
  const labels = regionLabels(rows, attributes);
  const embedded =
    checkpoint === "embeddings"
      ? await storedEmbeddings(dataset, split, attributes)
      : await modelEmbeddings(options, { dataset, rows, vocabulary });
  const { how, ...own } = embedded;
  return { dataset, rows, vocabulary, attributes, input: { ...own, labels }, regions: how };
}

/** Retrieval of embeddings that have been made already. */
export async function evaluateEmbedded(
  embedded: EmbeddedSplit,
  options: Pick<EvaluateOptions, "split" | "ks" | "examples">,
): Promise<Evaluation> {
  checkArgument("embedded", embedded, {
    dataset: datasetRule,
    rows: ["object"],
    attributes: ["text"],
    input: { labels: "bytes", regions: "numbers", attributes: "numbers", dimension: "count" },
  });
  checkArgument("options", options, {
    "split?": "text",
    "ks?": "numbers",
    "examples?": { regions: "count", images: "count" },
  });
  const { rows, vocabulary, attributes, input } = embedded;
  const { split = "test", ks, examples } = options;

  const metrics = await retrievalMetrics({ ...input, ks, scores: backendScores(input) });
  const column = new Map(attributes.map((attribute, i) => [attribute, i]));
  return {
    ...metrics,
    split,
    images: rows.length,
    regions: input.labels.length / attributes.length,
    attributes,
    perGroup: vocabulary.groups.map((group) => {
      const own = group.attributes.flatMap((attribute) => metrics.perAttribute[column.get(attribute)!] ?? []);
      const sum = own.reduce((total, { rPrecision }) => total + rPrecision, 0);
      return { group: group.name, rPrecision: own.length > 0 ? sum / own.length : null };
    }),
    examples: examples ? retrievalExamples(input, rows, attributes, examples) : undefined,
  };
}

function retrievalExamples(
  input: RetrievalInput,
  rows: Rows,
  attributes: readonly string[],
  counts: NonNullable<EvaluateOptions["examples"]>,
): RetrievalExamples {
  const places = rows.flatMap(({ imageId, regionCoord }) => regionCoord.map((_, region) => ({ imageId, region })));
  const truths = (region: number) => {
    const own = input.labels.subarray(region * attributes.length, (region + 1) * attributes.length);
    return own.reduce((sum, label) => sum + label, 0);
  };
  let region = 0;
  return {
    byAttribute: attributes.map((attribute, i) => ({
      attribute,
      regions: topRegions(input, { attribute: i, count: counts.regions }).map(({ index, ...found }) => ({
        ...places[index]!,
        ...found,
      })),
    })),
    byImage: rows.slice(0, counts.images).map(({ imageId, regionCoord }) => ({
      imageId,
      regions: regionCoord.map(() => {
        const found = topAttributes(input, { region, count: Math.max(1, truths(region)) });
        region++;
        return found.map(({ index, ...rest }) => ({ attribute: attributes[index]!, ...rest }));
      }),
    })),
  };
}

type Embedded = {
  regions: Float32Array;
  attributes: Float32Array;
  dimension: number;
  how: RegionOptions["regions"];
};
type Rows = ReturnType<Dataset["rows"]>;

async function modelEmbeddings(
  options: EvaluateOptions,
  { dataset, rows, vocabulary }: Pick<EmbeddedSplit, "dataset" | "rows" | "vocabulary">,
): Promise<Embedded> {
  const { checkpoint, weights, regions: how, indexed, split = "test", onProgress, signal } = options;
  const model = await openModel(checkpoint, { weights, regions: how, onProgress, signal });
  try {
    const dimension = model.image.dimension;
    const attributes = await vocabularyEmbeddings(model, vocabulary);
    if (indexed) {
      const index = await RegionIndex.open(dataset, checkpoint, { split, regions: how, onProgress, signal });
      index.requireComplete();
      return { regions: await index.regions(), attributes, dimension, how: regionsOf(model) };
    }
    const regions = await embedSplit(model.image, rows, { load: (row) => dataset.readImage(row), onProgress, signal });
    return { regions, attributes, dimension, how: regionsOf(model) };
  } finally {
    model.dispose();
  }
}

/** [A, d] the attributes of a vocabulary, each the normalised mean over its templates. */
export async function vocabularyEmbeddings(
  model: VisionLanguageModel,
  vocabulary: AttributeVocabulary,
): Promise<Float32Array> {
  checkArgument("model", model, {
    image: {
      name: "text",
      dimension: "count",
      options: "object",
      "tower?": "object",
      encodeImages: "function",
      encodeRegions: "function",
      dispose: "function",
    },
    encodeText: "function",
    text: { family: "text", config: "object" },
    dispose: "function",
  });
  checkArgument("vocabulary", vocabulary, { groups: ["object"], "mentions?": "'words' | 'words-negated-too'" });
  const { image, encodeText } = model;

  const { dimension } = image;
  const byName = await attributeEmbeddings({ dimension, encodeText }, vocabulary);
  const attributes = new Float32Array(byName.size * dimension);
  [...byName.values()].forEach((row, i) => {
    attributes.set(row, i * dimension);
  });
  return attributes;
}

async function storedEmbeddings(dataset: Dataset, split: string, names: readonly string[]): Promise<Embedded> {
  const { directory } = dataset;
  const stored = await readAttributeEmbeddings(directory);
  const { dimension } = stored;
  const attributes = new Float32Array(names.length * dimension);
  names.forEach((name, i) => {
    const row = stored.attributes.indexOf(name);
    if (row < 0) throw new VillaError("Mismatch", `The attribute "${name}" has no embedding in ${directory}.`);
    attributes.set(stored.values.subarray(row * dimension, (row + 1) * dimension), i * dimension);
  });
  const { regions, dimension: own } = await readRegionEmbeddings(dataset, { split });
  if (own !== dimension) {
    throw new VillaError(
      "Mismatch",
      `The regions' embeddings in ${directory} have ${own} dimensions, the attributes' ${dimension}; run preprocess again.`,
    );
  }
  const manifest = await readEmbeddingManifest(directory);
  const how = manifest && regionsOf({ image: manifest.encoder });
  return { regions: normalizeRows(regions, dimension), attributes, dimension, how };
}
