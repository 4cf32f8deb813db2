import { join } from "node:path";
import {
  attributeNames,
  createAnnotationWriter,
  createFeatherWriter,
  type FeatherColumn,
  formatVocabulary,
  type ProgressListener,
  VillaError,
  withoutTruthNote,
} from "@villa/data";
import { atomicWriteFile, datasetFiles, type PartSettings } from "@villa/data/node";
import { type AttributeFile, attributesWithoutTruth, type TextRules, tableAttributes } from "../attribute-file.ts";
import type { IngestedPart, IngestedRow } from "../ingested-row.ts";
import { type DatasetFigures, DatasetSurvey } from "../survey.ts";
import { type IngestJob, manifestFile, manifestFormat, partCount } from "./job.ts";

/** What a dataset holds. */
export interface IngestSummary extends DatasetFigures {
  /** In the vocabulary's order: images whose text or row has the attribute, in all and in the train split. */
  readonly attributes: readonly { readonly name: string; readonly images: number; readonly trainImages: number }[];
  /** Attributes that no image of the train split has: nothing can be learned about them. */
  readonly neverSeen: readonly string[];
  /** Which attributes the truth about regions does not cover, as a sentence. */
  readonly truthNote?: string | undefined;
}

type Parts = AsyncIterable<IngestedPart>;

/** Times that all parts are read: to be counted, for their sources, for the annotations. */
const passes = 3;
/** Rows that are turned into columns at once. */
const rowsAtOnce = 2048;

/**
 * Joins all parts into a dataset, and puts it in its place. The annotations, which make it one, are written last.
 *
 * @param rows number of rows of the table
 */
export async function assemble(
  job: IngestJob,
  rows: number,
  options: {
    readonly attributes: AttributeFile | undefined;
    /** For a vocabulary of the table's own attributes. */
    readonly rules: TextRules;
    readonly settings: PartSettings;
    readonly onProgress?: ProgressListener | undefined;
  },
): Promise<IngestSummary> {
  const { directory, store } = job;
  const parts = partCount(rows);
  const total = passes * parts;
  let done = 0;
  const eachPart = async function* (): AsyncGenerator<IngestedPart> {
    // Where bad rows are not skipped, a part that has some has stopped the run before.
    for await (const part of store.join(parts, { acceptFlaws: true })) {
      yield part;
      options.onProgress?.({ task: "joining parts", done: Math.min(++done, total), total, unit: "parts" });
    }
  };
  const survey = new DatasetSurvey();
  for await (const part of eachPart()) survey.add(part);
  if (survey.images === 0) throw new VillaError("InvalidFile", `None of the table's ${rows} rows could be used.`);
  const attributes = options.attributes ?? tableAttributes([...survey.attributes.keys()], options.rules);
  const withoutTruth = attributesWithoutTruth(attributes, survey.trueAttributes);
  const vocabulary = { ...attributes.vocabulary, withoutTruth: withoutTruth.length > 0 ? withoutTruth : undefined };
  const known = attributeNames(vocabulary);
  const count = (name: string) => survey.attributes.get(name) ?? { images: 0, trainImages: 0 };
  const summary: IngestSummary = {
    ...survey.figures({ truthCoversAll: withoutTruth.length === 0 }),
    attributes: known.map((name) => ({ name, ...count(name) })),
    neverSeen: known.filter((name) => count(name).trainImages === 0),
    truthNote: withoutTruthNote(vocabulary),
  };
  await atomicWriteFile(join(directory, datasetFiles.vocabulary), formatVocabulary(vocabulary));
  await atomicWriteFile(join(directory, sourcesFile), sources(eachPart(), survey.someSpacing));
  await job.forgetProblems();
  if (summary.skippedRows + summary.skippedBoxes > 0)
    await atomicWriteFile(join(directory, problemsFile), problemLines(eachPart()));
  const manifest = { format: manifestFormat, settings: options.settings, rows, summary };
  await atomicWriteFile(join(directory, manifestFile), `${JSON.stringify(manifest, null, 1)}\n`);
  await atomicWriteFile(join(directory, datasetFiles.annotations), annotations(eachPart(), survey));
  await job.replace();
  await job.finish();
  return summary;
}

/** image_id, and where it comes from: path, id and group as the table has them; of DICOM the size of its pixels. */
export const sourcesFile = "sources.feather";
/** Rows that were left out and why, one JSON object a line. */
export const problemsFile = "problems.jsonl";

/** Rows of several parts at once: each piece of a Feather file has a cost of its own. */
async function* eachBatch(parts: Parts): AsyncGenerator<readonly IngestedRow[]> {
  let batch: IngestedRow[] = [];
  for await (const { rows } of parts) {
    batch.push(...rows);
    if (batch.length < rowsAtOnce) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function* annotations(parts: Parts, { someTruth, someMasks }: DatasetSurvey): AsyncGenerator<Uint8Array> {
  const writer = await createAnnotationWriter({ truth: someTruth, masks: someMasks });
  for await (const rows of eachBatch(parts)) yield writer.append(rows.map(({ annotation }) => annotation));
  yield writer.finish();
}

async function* sources(parts: Parts, someSpacing: boolean): AsyncGenerator<Uint8Array> {
  const writer = await createFeatherWriter();
  for await (const rows of eachBatch(parts)) {
    yield writer.append([
      { name: "image_id", type: "int64", values: rows.map(({ annotation }) => annotation.imageId) },
      { name: "source", type: "string", values: rows.map(({ source }) => source) },
      { name: "id", type: "string", values: rows.map(({ id }) => id ?? null) },
      { name: "group", type: "string", values: rows.map(({ group }) => group ?? null) },
      ...(someSpacing ? [spacings(rows)] : []),
    ]);
  }
  yield writer.finish();
}

const spacings = (rows: readonly IngestedRow[]): FeatherColumn => ({
  name: "pixel_spacing",
  type: { list: "float64" },
  values: rows.map(({ spacing }) => spacing ?? null),
});

async function* problemLines(parts: Parts): AsyncGenerator<Uint8Array> {
  for await (const { problems } of parts) {
    yield new TextEncoder().encode(problems.map((problem) => `${JSON.stringify(problem)}\n`).join(""));
  }
}
