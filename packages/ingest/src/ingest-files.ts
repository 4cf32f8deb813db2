import {
  type AttributeVocabulary,
  checkArgument,
  decodeImage,
  type ImageAnnotation,
  isVillaError,
  otherKind,
  type ProgressListener,
  type RgbImage,
  throwIfAborted,
  VillaError,
} from "@villa/data";
import { attributesWithoutTruth, readAttributeFile, tableAttributes } from "./attribute-file.ts";
import { AttributeFinder, type ConvertOptions, convertRow } from "./convert-row.ts";
import { csvOptions, csvRecord, uniqueColumns } from "./csv-head.ts";
import type { IngestedRow, RowProblem } from "./ingested-row.ts";
import { readMasks } from "./masks.ts";
import { ruledRegions } from "./regions.ts";
import { parseRow } from "./row.ts";
import { countProblems, listProblems, repeatedId } from "./row-problems.ts";
import { defaultSeed, defaultShares, splitAt } from "./split-shares.ts";
import { DatasetSurvey } from "./survey.ts";
import { checkColumns, type Remedies } from "./table-columns.ts";
import type { TableRecord } from "./table-record.ts";

/** What {@link ingestFiles} reads. */
export interface IngestFilesOptions {
  /** A `.csv` or `.tsv` in utf-8, by its path in `files`. */
  readonly table: string;
  /** The table and the pictures by their paths, with forward slashes; the table's own paths start from its folder. */
  readonly files: ReadonlyMap<string, Blob>;
  /** A file of attributes to look for in the texts, by its path in `files`; see `parseAttributeFile`. */
  readonly attributes?: string | undefined;
  /** Default: PNG and JPEG, by `decodeImage` of `@villa/data`. */
  readonly decode?: ((picture: Blob) => Promise<RgbImage>) | undefined;
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A dataset whose pictures are still the files that the table names. */
export interface IngestedFiles {
  /** `imageFilepath` is the path of the picture in `files`. */
  readonly annotations: readonly ImageAnnotation[];
  readonly vocabulary: AttributeVocabulary;
}

/**
 * Makes a dataset of a table and pictures that are not on a disk, such as a folder dropped on a page: by the same rules as
 * `villa ingest` with its defaults, to the same annotations. Every picture is decoded once, one at a time.
 *
 * @throws VillaError `InvalidFile` naming the rows that cannot be used, or what is wrong with the table; `NotFound`,
 *   `Aborted`
 */
export async function ingestFiles(options: IngestFilesOptions): Promise<IngestedFiles> {
  checkArgument("options", options, {
    table: "text",
    files: "Map",
    "attributes?": "text",
    "decode?": "function",
    "onProgress?": "function",
    "signal?": "object",
  });
  const { table, files, onProgress, signal } = options;
  const listed = options.attributes === undefined ? undefined : await textOf(files, options.attributes);
  const attributes = listed === undefined ? undefined : readAttributeFile(listed, {});
  const records = await csvRecords(await textOf(files, table), table);
  const [first] = records;
  if (!first) throw new VillaError("InvalidFile", `${table} has no rows.`);
  if (first.values) {
    checkColumns(first.values, { table, isRectangular: true, isTold: attributes !== undefined, remedies });
  }
  const convert: ConvertOptions = {
    regions: { kind: "grid", columns: 3, rows: 3 },
    clipBoxes: false,
    remedies,
    attributes: attributes && new AttributeFinder(attributes.vocabulary),
    splitOf: async (key) => splitAt(await sha256(`${defaultSeed}:${key}`), defaultShares),
  };
  const survey = new DatasetSurvey();
  const annotations: ImageAnnotation[] = [];
  const problems: RowProblem[] = [];
  const ids = new Map<string, number>();
  for (const record of records) {
    throwIfAborted(signal, "Reading the table was stopped.");
    const problem = record.problem ?? repeatedId(record, record.number, { ids, column: "id" });
    const result = problem
      ? { problems: [{ row: record.number, problem: problem.message }] }
      : await ingestRecord(record, convert, options);
    problems.push(...result.problems);
    if (result.row) {
      survey.add({ rows: [result.row], problems: [] });
      annotations.push(result.row.annotation);
    }
    onProgress?.({ task: "reading rows", done: record.number + 1, total: records.length, unit: "rows" });
  }
  if (problems.length > 0) {
    throw new VillaError(
      "InvalidFile",
      `${countProblems(problems)} of ${table} cannot be used; put right what is listed:${listProblems(problems)}`,
    );
  }
  const known = attributes ?? tableAttributes([...survey.attributes.keys()], {});
  const withoutTruth = attributesWithoutTruth(known, survey.trueAttributes);
  return {
    annotations,
    vocabulary: { ...known.vocabulary, withoutTruth: withoutTruth.length > 0 ? withoutTruth : undefined },
  };
}

const remedies: Remedies = {
  column: (name: string) => `Name the column that holds it "${name}".`,
  attributes: "give some, or put a file attributes.json beside the table, with the words to look for in the texts",
  box: "make it end there",
};

async function csvRecords(text: string, table: string): Promise<TableRecord[]> {
  // The package's other entry points take Node's streams and buffers.
  const { parse } = await import("csv-parse/browser/esm/sync");
  const { start, options } = csvOptions(text);
  let lines: string[][];
  try {
    lines = parse(start, options) as string[][];
  } catch (cause) {
    throw new VillaError("InvalidFile", `${table} is not a proper table: ${(cause as Error).message}.`, { cause });
  }
  const [head, ...rest] = lines;
  if (!head) return [];
  const columns = uniqueColumns(head);
  return rest.map((fields, number) => csvRecord(columns, { fields, number }));
}

async function ingestRecord(
  { values, number }: TableRecord,
  convert: ConvertOptions,
  { files, table, decode = decoded }: IngestFilesOptions,
): Promise<{ readonly row?: IngestedRow | undefined; readonly problems: readonly RowProblem[] }> {
  const badBoxes: string[] = [];
  const onBadBox = (problem: string): void => {
    badBoxes.push(problem);
  };
  let image: string | undefined;
  try {
    const row = parseRow(values!, number, { onBadBox });
    image = row.image;
    const path = pathFrom(table, image);
    const { width, height } = await pictureOf(files, path, decode);
    const size = { width, height };
    const readFile = async (mask: string): Promise<Uint8Array> => bytesOf(files, pathFrom(table, mask));
    const masked = await readMasks(row, { size, readFile, onBadBox });
    const boxed = masked.boxes ? masked : { ...masked, boxes: ruledRegions(convert.regions, size) };
    return {
      row: await convertRow(boxed, { source: size, stored: size, path }, { ...convert, onBadBox }),
      problems: badBoxes.map((problem) => ({ row: number, image, problem, boxOnly: true })),
    };
  } catch (error) {
    if (!isVillaError(error, "InvalidFile")) throw error;
    return { problems: [{ row: number, image, problem: error.message }] };
  }
}

/** @throws VillaError `InvalidFile` with a clause about the image */
async function pictureOf(
  files: ReadonlyMap<string, Blob>,
  path: string,
  decode: (picture: Blob) => Promise<RgbImage>,
): Promise<RgbImage> {
  const file = files.get(path);
  if (!file) throw new VillaError("InvalidFile", "its image cannot be read: there is no such file");
  try {
    return await decode(file);
  } catch (cause) {
    const other = otherKind(new Uint8Array(await file.slice(0, 64).arrayBuffer()));
    const isOther = other !== "" && !other.includes(" image");
    const why = isOther ? `it is not an image${other}` : (cause as Error).message.replace(/\.$/, "");
    throw new VillaError("InvalidFile", `its image cannot be read: ${why}`, { cause });
  }
}

const decoded = async (picture: Blob): Promise<RgbImage> => decodeImage(new Uint8Array(await picture.arrayBuffer()));

/** A path that counts from the table's folder. */
function pathFrom(table: string, path: string): string {
  const parts = table.split("/").slice(0, -1);
  for (const part of path.replaceAll("\\", "/").split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "." && part !== "") parts.push(part);
  }
  return parts.join("/");
}

async function bytesOf(files: ReadonlyMap<string, Blob>, path: string): Promise<Uint8Array> {
  const file = files.get(path);
  if (!file) throw new VillaError("NotFound", `There is no file ${path}.`);
  return new Uint8Array(await file.arrayBuffer());
}

async function textOf(files: ReadonlyMap<string, Blob>, path: string): Promise<string> {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await bytesOf(files, path));
  } catch (cause) {
    if (isVillaError(cause)) throw cause;
    throw new VillaError("InvalidFile", `${path} is not utf-8; convert the file to utf-8.`, { cause });
  }
}

async function sha256(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}
