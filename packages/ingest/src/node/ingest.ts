import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type AttributeVocabulary, isVillaError, type ProgressListener, type Shard, VillaError } from "@villa/data";
import { atomicWriteFile, fileError, readFileBytes, throwIfAborted, withPath } from "@villa/data/node";
import { parseAttributeFile } from "../attributeFile.ts";
import { parseRegionRule, type RegionRule } from "../regions.ts";
import {
  type Box,
  type BoxFormat,
  type ColumnName,
  joinSentences,
  parseRow,
  type TableColumns,
  type TableRow,
} from "../row.ts";
import { assemble, type IngestSummary, problemsFile } from "./assemble.ts";
import { AttributeFinder, type ConvertOptions, convertRow } from "./convertRow.ts";
import { type ImageOptions, type StoredImage, storeImage } from "./images.ts";
import { type IngestedPart, type IngestedRow, IngestJob, manifestFile, type RowProblem, rowsPerPart } from "./job.ts";
import { type MinedAttribute, mineAttributes, mostMinedTexts } from "./mine.ts";
import type { SplitShares } from "./split.ts";
import { openTable, type TableRecord } from "./table/openTable.ts";

/** What is read, and how. */
export interface IngestOptions {
  /** Folder that paths in the table start from. */
  readonly images: string;
  /** `.jsonl`, `.csv`, `.tsv`, `.parquet`, or COCO's `.json`. */
  readonly table: string;
  /** The dataset's folder. */
  readonly out: string;
  readonly columns?: TableColumns;
  readonly boxFormat?: BoxFormat;
  /** Cut boxes off at the edge of their image instead of refusing them. */
  readonly clipBoxes?: boolean;
  /** Regions of rows without boxes: `full`, `grid:3x3` (default), or a JSON file of boxes by image or id. */
  readonly regions?: string;
  /** A file of attributes to look for in the texts; see `parseAttributeFile`. */
  readonly attributes?: string;
  /**
   * Look for this many of the texts' most frequent noun phrases instead; `mined-attributes.json` in the dataset lists them
   * for review, and can be edited and given as `attributes`.
   */
  readonly mine?: number;
  /** Default true: mentions such as "no lid" are none. */
  readonly negation?: boolean;
  /** Default: PNG at full size. */
  readonly image?: Partial<ImageOptions>;
  /** Shares of the splits of rows that name none. Default train 0.8, val 0.1, test 0.1. */
  readonly split?: SplitShares;
  /** Of the splits. Default 23. */
  readonly seed?: number;
  /** Of text tables. Default utf-8. */
  readonly encoding?: string;
  /** Only the first rows. */
  readonly limit?: number;
  /** Leave bad rows out instead of stopping. */
  readonly skipBad?: boolean;
  /** Only this share of the rows. When all shards are through, a run with `mergeOnly` joins them. */
  readonly shard?: Shard;
  /** Only join what shards have made; refuses when something is missing. */
  readonly mergeOnly?: boolean;
  readonly overwrite?: boolean;
  readonly progress?: ProgressListener;
  /** Stops after the part at hand; the next run goes on from there. */
  readonly signal?: AbortSignal;
  /** Stores an image; tests pass their own. */
  readonly store?: typeof storeImage;
}

/** What an ingestion did. */
export interface IngestResult extends Partial<IngestSummary> {
  readonly directory: string;
  /** Rows of the table. */
  readonly rows: number;
  /** False after a shard: a run with `mergeOnly` has to join them. */
  readonly complete: boolean;
}

/** Images decoded at the same time. */
const atOnce = 8;
/** Bad rows after which a run stops: by then the table is wrong, not a row. */
const mostProblems = 1000;

/**
 * Makes a dataset folder from a table and a folder of images: images, `annotations.feather`, `attributes.json`,
 * `sources.feather` (which image is which row) and `ingest.json` (settings and counts).
 *
 * The table is read as a stream, and every 64 rows reach the disk at once: memory stays flat, a kill costs seconds, and
 * the same call goes on where it stopped. Equal settings give equal files, in one process or in shards.
 *
 * @throws VillaError `InvalidFile` when rows are bad (all of them are listed in `problems.jsonl`) or the table as a whole,
 *   `InvalidArgument`, `AlreadyExists`, `Mismatch` when shards are missing, `NotFound`, `FileSystem`, `Aborted`
 */
export async function ingestTable(options: IngestOptions): Promise<IngestResult> {
  const { out, shard, skipBad = false, negation = true, overwrite = false } = options;
  throwIfAborted(options.signal);
  if (shard && overwrite) {
    throw new VillaError("InvalidArgument", "A shard cannot overwrite: it would delete what other shards have made.");
  }
  const input = await openInput(options);
  const job = new IngestJob(out, input.settings);
  if (await job.begin(overwrite)) return { directory: out, complete: true, ...(await readSummary(out)) };
  if (input.mined) await atomicWriteFile(join(out, minedFile), `${JSON.stringify(input.mined, null, 1)}\n`);
  const rows = options.mergeOnly ? await job.checkShards(skipBad) : await ingestRows(job, input, options);
  if (shard && !options.mergeOnly) return { directory: out, rows, complete: false };
  const summary = await assemble(job, rows, Math.ceil(rows / rowsPerPart), {
    ...{ vocabulary: input.vocabulary, negation, settings: input.settings },
  });
  return { directory: out, rows, complete: true, ...summary };
}

interface Input {
  readonly table: Awaited<ReturnType<typeof openTable>>;
  readonly vocabulary: AttributeVocabulary | undefined;
  readonly mined: readonly MinedAttribute[] | undefined;
  readonly convert: ConvertOptions;
  readonly settings: Readonly<Record<string, unknown>>;
}

async function openInput(options: IngestOptions): Promise<Input> {
  const { regions = "grid:3x3", negation = true, seed = 23, clipBoxes = false, limit = null } = options;
  const shares: SplitShares = options.split ?? [
    ["train", 0.8],
    ["val", 0.1],
    ["test", 0.1],
  ];
  const names: readonly ColumnName[] = [
    "id",
    "image",
    "text",
    "boxes",
    "region_attributes",
    "attributes",
    "split",
    "group",
  ];
  const { columns = {} } = options;
  const table = await openTable(options.table, {
    encoding: options.encoding,
    columns: new Set(names.map((name) => columns[name] ?? name)),
  });
  const rule = parseRegionRule(regions) ?? (await readProposals(regions, options.boxFormat));
  if (options.attributes !== undefined && options.mine !== undefined) {
    throw new VillaError("InvalidArgument", "Give either a file of attributes or --mine, not both.");
  }
  const mined = options.mine === undefined ? undefined : await mineTable(table, options, options.mine);
  const vocabulary =
    options.attributes === undefined
      ? mined && parseAttributeFile(JSON.stringify(mined), { negation })
      : await readAttributes(options.attributes, negation);
  const image = { format: "png", maxSide: null, autoOrient: false, ...options.image };
  return {
    ...{ table, vocabulary, mined },
    convert: {
      ...{ regions: rule, clipBoxes, shares, seed },
      attributes: vocabulary && new AttributeFinder(vocabulary),
    },
    settings: {
      ...{ table: table.sha256, columns, boxes: options.boxFormat ?? "xyxy", clipBoxes, image, limit, seed, negation },
      ...{ encoding: options.encoding ?? "utf-8", split: shares, attributes: vocabulary ?? null },
      regions: rule.kind === "proposals" ? createHash("sha256").update(JSON.stringify(rule)).digest("hex") : regions,
    },
  };
}

/** @returns number of rows of the table */
async function ingestRows(job: IngestJob, input: Input, options: IngestOptions): Promise<number> {
  const { shard = { index: 0, count: 1 }, skipBad = false, limit = Number.POSITIVE_INFINITY, progress } = options;
  if (options.shard) await job.beginShard(options.shard);
  const finished = await job.finishedParts(skipBad);
  const isMine = (part: number): boolean => part % shard.count === shard.index && !finished.has(part);
  const ids = new Map<string, number>();
  const problems: RowProblem[] = [];
  const total = Math.min(input.table.expectedRows, limit);
  let batch: TableRecord[] = [];
  let rows = 0;
  const flush = async (): Promise<void> => {
    if (batch.length > 0) {
      throwIfAborted(options.signal);
      const part = await ingestPart(batch, input, options);
      await job.writePart(Math.floor(batch[0]!.number / rowsPerPart), part);
      problems.push(...part.problems);
      batch = [];
    }
    progress?.({ task: "reading rows", done: rows, total: Math.max(rows, total), unit: "rows" });
  };
  for await (const record of input.table.records()) {
    if (record.number >= limit) break;
    if (record.number === 0) checkColumns(record, options);
    const checked = checkId(record, ids, options.columns?.id ?? "id");
    if (isMine(Math.floor(record.number / rowsPerPart))) batch.push(checked);
    rows = record.number + 1;
    if (rows % rowsPerPart === 0) await flush();
    if (!skipBad && problems.length >= mostProblems) break;
  }
  await flush();
  if (problems.length > 0 && !skipBad) await refuse(job, problems, options);
  if (rows === 0) throw new VillaError("InvalidFile", `${options.table} has no rows.`);
  if (options.shard) await job.finishShard(options.shard, rows);
  return rows;
}

async function ingestPart(
  records: readonly TableRecord[],
  input: Input,
  options: IngestOptions,
): Promise<IngestedPart> {
  const rows: IngestedRow[] = [];
  const problems: RowProblem[] = [];
  const results: (IngestedRow | RowProblem)[] = new Array(records.length);
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < records.length) {
      const at = next++;
      results[at] = await ingestRow(records[at]!, input, options);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, records.length) }, work));
  for (const result of results) {
    if ("problem" in result) problems.push(result);
    else rows.push(result);
  }
  return { rows, problems };
}

async function ingestRow(
  record: TableRecord,
  { table, convert }: Input,
  { images, out, columns, boxFormat, image = {}, store = storeImage }: IngestOptions,
): Promise<IngestedRow | RowProblem> {
  let row: TableRow | undefined;
  try {
    if (record.problem) throw record.problem;
    row = parseRow(record.values, record.number, {
      ...(columns && { columns }),
      // COCO's reader has turned its boxes already.
      ...(boxFormat && table.format !== "coco" && { boxFormat }),
    });
    const stored: StoredImage = await store({ ...row, folder: images }, out, row.number, { format: "png", ...image });
    return convertRow(row, stored, convert);
  } catch (error) {
    // What is wrong with a row is listed; a full disk ends the run.
    if (!isVillaError(error, "InvalidFile")) throw error;
    return { row: record.number, ...(row && { image: row.image }), problem: error.message };
  }
}

/** Marks a record whose id another one has already. */
function checkId(record: TableRecord, ids: Map<string, number>, column: string): TableRecord {
  const value = record.values?.[column];
  if (value === undefined || value === null || value === "") return record;
  const id = String(value).trim();
  const first = ids.get(id);
  if (first === undefined) {
    ids.set(id, record.number);
    return record;
  }
  return {
    number: record.number,
    problem: new VillaError("InvalidFile", `its id "${id}" is that of row ${first} too`),
  };
}

/** A column that is not there at all is a wrong flag, not a bad row. */
function checkColumns({ values }: TableRecord, { columns = {}, table }: IngestOptions): void {
  if (!values) return;
  const required: ColumnName[] = ["image", "text", ...(Object.keys(columns) as ColumnName[])];
  const missing = required.find((name) => !((columns[name] ?? name) in values));
  if (missing === undefined) return;
  throw new VillaError(
    "InvalidFile",
    `${table} has no column "${columns[missing] ?? missing}"; it has ${Object.keys(values).join(", ")}. Say which holds what: --columns ${missing}=NAME.`,
  );
}

async function refuse(
  job: IngestJob,
  problems: readonly RowProblem[],
  { table, shard }: IngestOptions,
): Promise<never> {
  const name = shard ? problemsFile.replace(".", `-${shard.index}-of-${shard.count}.`) : problemsFile;
  const path = join(job.directory, name);
  await atomicWriteFile(path, problems.map((problem) => `${JSON.stringify(problem)}\n`).join(""));
  const shown = problems.slice(0, 10).map(describeProblem);
  const more = problems.length > shown.length ? `\n  … and ${problems.length - shown.length} more` : "";
  throw new VillaError(
    "InvalidFile",
    `${problems.length === 1 ? "A row" : `${problems.length} rows`} of ${table} cannot be used; put right what is listed (in full in ${path}), or leave such rows out with --skip-bad:\n  ${shown.join("\n  ")}${more}`,
  );
}

/** "row 3 (a.jpg): its text is empty" */
export function describeProblem({ row, image, problem }: RowProblem): string {
  return `row ${row}${image === undefined ? "" : ` (${image})`}: ${problem}`;
}

/** Phrases found by `mine`, in the form of a file of attributes. */
export const minedFile = "mined-attributes.json";

async function mineTable(
  table: Input["table"],
  { columns = {}, limit = Number.POSITIVE_INFINITY, progress }: IngestOptions,
  count: number,
): Promise<MinedAttribute[]> {
  const total = Math.min(table.expectedRows, limit, mostMinedTexts);
  const texts = async function* () {
    for await (const { number, values } of table.records()) {
      if (number >= limit) break;
      const text = values?.[columns.text ?? "text"];
      progress?.({ task: "mining phrases", done: Math.min(number + 1, total), total, unit: "texts" });
      if (typeof text === "string") yield joinSentences(text);
    }
  };
  const mined = await mineAttributes(texts(), count);
  if (mined.length === 0)
    throw new VillaError("InvalidFile", "The texts hold no noun phrases; give a file of attributes.");
  return mined;
}

async function readAttributes(path: string, negation: boolean): Promise<AttributeVocabulary> {
  const bytes = await readFileBytes(path);
  return withPath(path, () => parseAttributeFile(new TextDecoder().decode(bytes), { negation }));
}

/** `{ "<image or id>": [[x0, y0, x1, y1], …] }` */
async function readProposals(path: string, format: BoxFormat = "xyxy"): Promise<RegionRule> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    const problem = fileError(error, path, "read");
    if (isVillaError(problem, "NotFound")) {
      throw new VillaError(
        "NotFound",
        `--regions takes full, grid:3x3 or a JSON file of proposals; there is no file ${path}.`,
      );
    }
    if (!(error instanceof SyntaxError)) throw problem;
    throw new VillaError("InvalidFile", `${path} is not valid JSON.`, { cause: error });
  }
  const entries = Object.entries((value ?? {}) as Record<string, unknown>);
  const boxes = entries.map(([name, own]): [string, readonly Box[]] => {
    try {
      const row = parseRow({ image: name, text: name, boxes: own }, 0, { boxFormat: format });
      return [name, row.boxes ?? []];
    } catch (error) {
      throw new VillaError("InvalidFile", `${path}: "${name}": ${(error as Error).message}.`);
    }
  });
  return { kind: "proposals", boxes: Object.fromEntries(boxes) };
}

async function readSummary(out: string): Promise<IngestSummary & { rows: number }> {
  const bytes = await readFileBytes(join(out, manifestFile));
  const { rows, summary } = JSON.parse(new TextDecoder().decode(bytes)) as { rows: number; summary: IngestSummary };
  return { rows, ...summary };
}
