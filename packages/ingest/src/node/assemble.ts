import { join } from "node:path";
import {
  type AttributeVocabulary,
  attributeNames,
  createAnnotationWriter,
  createFeatherWriter,
  formatVocabulary,
  VillaError,
} from "@villa/data";
import { atomicWriteFile, datasetFiles } from "@villa/data/node";
import { tableVocabulary } from "../attributeFile.ts";
import {
  type IngestedPart,
  type IngestedRow,
  type IngestJob,
  type JobSettings,
  manifestFile,
  type RowProblem,
} from "./job.ts";

/** What a dataset holds. */
export interface IngestSummary {
  readonly images: number;
  readonly regions: number;
  readonly splits: readonly { readonly split: string; readonly images: number }[];
  /** In the vocabulary's order: images whose text or row has the attribute, in all and in the train split. */
  readonly attributes: readonly { readonly name: string; readonly images: number; readonly trainImages: number }[];
  /** Attributes that no image of the train split has: nothing can be learned about them. */
  readonly neverSeen: readonly string[];
  /** Rows left out, the first hundred of them. */
  readonly problems: readonly RowProblem[];
  readonly skippedRows: number;
}

/** Problems kept for the summary; all are in `problems.jsonl`. */
const problemsListed = 100;
/** Rows that are turned into columns at once. */
const rowsAtOnce = 2048;
/** More attributes than a vocabulary can have: they are sentences, or ids. */
const mostAttributes = 10_000;

/** Joins all parts into a dataset. The annotations, which make it one, are written last. */
export async function assemble(
  job: IngestJob,
  rows: number,
  parts: number,
  options: {
    readonly vocabulary: AttributeVocabulary | undefined;
    readonly negation: boolean;
    readonly settings: JobSettings;
  },
): Promise<IngestSummary> {
  const { directory } = job;
  const survey = await surveyParts(job, parts);
  if (survey.images === 0) throw new VillaError("InvalidFile", `None of the table's ${rows} rows became an image.`);
  const vocabulary =
    options.vocabulary ?? tableVocabulary([...survey.attributes.keys()], { negation: options.negation });
  const known = attributeNames(vocabulary);
  const count = (name: string) => survey.attributes.get(name) ?? { images: 0, trainImages: 0 };
  const summary: IngestSummary = {
    images: survey.images,
    regions: survey.regions,
    splits: [...survey.splits].map(([split, images]) => ({ split, images })).sort(bySplit),
    attributes: known.map((name) => ({ name, ...count(name) })),
    neverSeen: known.filter((name) => count(name).trainImages === 0),
    problems: survey.problems,
    skippedRows: survey.skippedRows,
  };
  await atomicWriteFile(join(directory, datasetFiles.vocabulary), formatVocabulary(vocabulary));
  await atomicWriteFile(join(directory, sourcesFile), sources(job, parts));
  await job.forgetProblems();
  if (survey.skippedRows > 0) await atomicWriteFile(join(directory, problemsFile), problemLines(job, parts));
  const manifest = { format: 1, settings: options.settings, rows, summary };
  await atomicWriteFile(join(directory, manifestFile), `${JSON.stringify(manifest, null, 1)}\n`);
  await atomicWriteFile(join(directory, datasetFiles.annotations), annotations(job, parts, survey.hasTruth));
  await job.finish();
  return summary;
}

/** image_id, and where it comes from: path and id as the table has them. */
export const sourcesFile = "sources.feather";
/** Rows that were left out and why, one JSON object a line. */
export const problemsFile = "problems.jsonl";

/** The usual ones first, as they are used; others as the table has them. */
const usualSplits = ["train", "val", "test"];
const place = (split: string): number =>
  usualSplits.includes(split) ? usualSplits.indexOf(split) : usualSplits.length;
const bySplit = (a: { split: string }, b: { split: string }): number => place(a.split) - place(b.split);

interface Survey {
  images: number;
  regions: number;
  readonly splits: Map<string, number>;
  readonly attributes: Map<string, { images: number; trainImages: number }>;
  hasTruth: boolean;
  readonly problems: RowProblem[];
  skippedRows: number;
}

/** @throws VillaError `InvalidFile` when a group crosses splits */
async function surveyParts(job: IngestJob, parts: number): Promise<Survey> {
  const survey: Survey = {
    ...{ images: 0, regions: 0, splits: new Map<string, number>(), attributes: new Map(), hasTruth: false },
    ...{ problems: [], skippedRows: 0 },
  };
  const groups = new Map<string, string>();
  for await (const { rows, problems } of eachPart(job, parts)) {
    survey.skippedRows += problems.length;
    survey.problems.push(...problems.slice(0, problemsListed - survey.problems.length));
    for (const { annotation, group } of rows) {
      const { split } = annotation;
      survey.images++;
      survey.regions += annotation.numRegions;
      survey.splits.set(split, (survey.splits.get(split) ?? 0) + 1);
      survey.hasTruth ||= annotation.regToAttr !== undefined;
      for (const name of annotation.attributes) countAttribute(survey, name, split, 1);
      for (const name of annotation.regToAttr?.flat() ?? []) countAttribute(survey, name, split, 0);
      if (group === undefined) continue;
      const other = groups.get(group);
      if (other !== undefined && other !== split) {
        throw new VillaError(
          "InvalidFile",
          `The table puts the group "${group}" into two splits, ${other} and ${split}; correct its column of splits, or leave that out.`,
        );
      }
      groups.set(group, split);
    }
  }
  return survey;
}

function countAttribute({ attributes }: Survey, name: string, split: string, images: 0 | 1): void {
  let count = attributes.get(name);
  if (!count) {
    if (attributes.size >= mostAttributes) {
      throw new VillaError("InvalidFile", `The table has more than ${mostAttributes} attributes, such as "${name}".`);
    }
    count = { images: 0, trainImages: 0 };
    attributes.set(name, count);
  }
  count.images += images;
  if (split === "train") count.trainImages += images;
}

async function* eachPart(job: IngestJob, parts: number): AsyncGenerator<IngestedPart> {
  for (let index = 0; index < parts; index++) yield await job.readPart(index);
}

/** Rows of several parts at once: each piece of a Feather file has a cost of its own. */
async function* eachBatch(job: IngestJob, parts: number): AsyncGenerator<readonly IngestedRow[]> {
  let batch: IngestedRow[] = [];
  for await (const { rows } of eachPart(job, parts)) {
    batch.push(...rows);
    if (batch.length < rowsAtOnce) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function* annotations(job: IngestJob, parts: number, truth: boolean): AsyncGenerator<Uint8Array> {
  const writer = await createAnnotationWriter({ truth });
  for await (const rows of eachBatch(job, parts)) yield writer.append(rows.map(({ annotation }) => annotation));
  yield writer.finish();
}

async function* sources(job: IngestJob, parts: number): AsyncGenerator<Uint8Array> {
  const writer = await createFeatherWriter();
  for await (const rows of eachBatch(job, parts)) {
    yield writer.append([
      { name: "image_id", type: "int64", values: rows.map(({ annotation }) => annotation.imageId) },
      { name: "source", type: "string", values: rows.map(({ source }) => source) },
      { name: "id", type: "string", values: rows.map(({ id }) => id ?? null) },
      { name: "group", type: "string", values: rows.map(({ group }) => group ?? null) },
    ]);
  }
  yield writer.finish();
}

async function* problemLines(job: IngestJob, parts: number): AsyncGenerator<Uint8Array> {
  for await (const { problems } of eachPart(job, parts)) {
    yield new TextEncoder().encode(problems.map((problem) => `${JSON.stringify(problem)}\n`).join(""));
  }
}
