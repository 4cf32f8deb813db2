import { join } from "node:path";
import { type Box, checkArgument, decodeImage, isVillaError, ownsPart, throwIfAborted, VillaError } from "@villa/data";
import { atomicWriteFile, itemsPerPart, readFileBytes } from "@villa/data/node";
import { checkSize, convertRow } from "../convert-row.ts";
import type { IngestedPart, IngestedRow, RowProblem, StoredImage } from "../ingested-row.ts";
import { type MaskedRow, readMasks } from "../masks.ts";
import { proposalRecall, type RegionRule, ruledRegions } from "../regions.ts";
import { parseRow, type TableRow } from "../row.ts";
import { assemble, type IngestSummary } from "./assemble.ts";
import { type FrameRecord, frameRecords } from "./dicom/frame-rows.ts";
import { forwardSlashes, pathInside, storeImage } from "./images.ts";
import { IngestJob, manifestFile, manifestFormat, partOf } from "./job.ts";
import { type GivenInput, type IngestInput, imagesFolder, minedFile, openInput, suggestedFile } from "./open-input.ts";
import type { IngestOptions, Proposer } from "./options.ts";
import { checkId, refuse } from "./row-problems.ts";

/** What an ingestion did. `complete` is false after a shard: a run with `mergeOnly` has to join them. */
export type IngestResult = {
  readonly directory: string;
  /** Rows of the table. */
  readonly rows: number;
} & (
  | ({ readonly complete: true } & IngestSummary)
  | ({ readonly complete: false } & { readonly [Key in keyof IngestSummary]?: undefined })
);

/** Images decoded at the same time. */
const atOnce = 8;
/** Bad rows after which a run stops: by then the table is wrong, not a row. */
const mostProblems = 1000;

/** Options of {@link ingestTable} and `writeDataset` alike. */
export const ingestRule = {
  "images?": "text",
  out: "text",
  "columns?": "object",
  "boxFormat?": "'xyxy' | 'xywh'",
  "clipBoxes?": "boolean",
  "regions?": "text",
  "mine?": "number",
  "sections?": ["text"],
  "negation?": "boolean",
  "language?": "text",
  "inflections?": "boolean",
  "uncertain?": "text",
  "image?": {
    "format?": "'png' | 'npz' | 'keep'",
    "maxSide?": "number",
    "autoOrient?": "boolean",
    "window?": "numbers",
  },
  "frames?": "'middle' | 'all'",
  "split?": ["list"],
  "seed?": "number",
  "encoding?": "text",
  "limit?": "count",
  "skipBad?": "boolean",
  "shard?": { index: "number", count: "count" },
  "mergeOnly?": "boolean",
  "overwrite?": "boolean",
  "onProgress?": "function",
  "signal?": "object",
  "store?": "function",
} as const;

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
  checkArgument("options", options, { ...ingestRule, table: "text", "attributes?": "text" });
  return ingest(options);
}

/** @param given rows that come from a program, and the contents of a file of attributes */
export async function ingest(options: IngestOptions, given: GivenInput = {}): Promise<IngestResult> {
  const { out, shard, overwrite = false } = options;
  throwIfAborted(options.signal, "Ingestion was stopped; the same command goes on from here.");
  if ((shard || options.mergeOnly) && overwrite) {
    throw new VillaError(
      "InvalidArgument",
      "Neither a shard nor a merge can overwrite: it would delete what other shards have made.",
    );
  }
  const input = await openInput(options, given);
  const job = new IngestJob(out, input.settings);
  if (await job.begin(overwrite)) return finished(out);
  try {
    const result = await work(job, input, options);
    if (result.complete || !(await job.isComplete())) return result;
  } catch (error) {
    if (!(await job.isComplete())) throw error;
  }
  // Another process was at the same work, has finished it, and taken away what this one was looking for.
  await job.finish();
  return finished(out);
}

async function work(job: IngestJob, input: IngestInput, options: IngestOptions): Promise<IngestResult> {
  const { out: directory, shard, mergeOnly = false, skipBad = false, onProgress } = options;
  const { directory: making } = job;
  for (const [name, phrases] of Object.entries({ [minedFile]: input.mined, [suggestedFile]: input.suggested })) {
    if (phrases) await atomicWriteFile(join(making, name), `${JSON.stringify(phrases, null, 1)}\n`);
  }
  const rows = mergeOnly ? await job.requireShards(skipBad) : await ingestRows(job, input, options);
  if (shard && !mergeOnly) return { directory, rows, complete: false };
  const summary = await assemble(job, rows, {
    attributes: input.attributes,
    rules: input.rules,
    settings: input.settings,
    onProgress,
  });
  return { directory, rows, complete: true, ...summary };
}

/** @returns number of rows of the table */
async function ingestRows(job: IngestJob, input: IngestInput, options: IngestOptions): Promise<number> {
  const { shard, skipBad = false, limit = Number.POSITIVE_INFINITY, onProgress } = options;
  const { store } = job;
  if (shard) await store.noteShards(shard);
  const isFinished = store.finished({ acceptFlaws: skipBad });
  const isMine = (part: number): boolean => (shard === undefined || ownsPart(shard, part)) && !isFinished(part);
  const ids = new Map<string, number>();
  const problems: RowProblem[] = [];
  const total = Math.min(input.table.expectedRows, limit);
  let batch: FrameRecord[] = [];
  let rows = 0;
  onProgress?.({ task: "reading rows", done: 0, total, unit: "rows" });
  const flush = async (): Promise<void> => {
    if (batch.length > 0) {
      throwIfAborted(options.signal, "Ingestion was stopped; the same command goes on from here.");
      const part = await ingestPart(job.directory, batch, input, options);
      await store.write(partOf(batch[0]!.number), part);
      problems.push(...part.problems);
      batch = [];
    }
    onProgress?.({ task: "reading rows", done: rows, total: Math.max(rows, total), unit: "rows" });
  };
  for await (const record of recordsOf(input, options)) {
    if (record.number >= limit) break;
    // Frames of one row share its id.
    const checked = record.frame ? record : checkId(record, { ids, column: options.columns?.id ?? "id" });
    if (isMine(partOf(record.number))) batch.push(checked);
    rows = record.number + 1;
    if (rows % itemsPerPart === 0) await flush();
    if (!skipBad && problems.length >= mostProblems) break;
  }
  await flush();
  if (problems.length > 0 && !skipBad) await refuse(job, problems, options);
  if (rows === 0) throw new VillaError("InvalidFile", `${options.table} has no rows.`);
  if (shard) await job.finishShard(shard, rows);
  return rows;
}

/** Rows of the table, or of the frames of its files. */
async function* recordsOf({ table }: IngestInput, options: IngestOptions): AsyncGenerator<FrameRecord> {
  if (options.frames === "all") {
    yield* frameRecords(table.records(), { column: options.columns?.image ?? "image", folder: imagesFolder(options) });
    return;
  }
  for await (const record of table.records()) yield { ...record, row: record.number };
}

async function ingestPart(
  directory: string,
  records: readonly FrameRecord[],
  input: IngestInput,
  options: IngestOptions,
): Promise<IngestedPart> {
  const rows: IngestedRow[] = [];
  const problems: RowProblem[] = [];
  const results: RowResult[] = new Array(records.length);
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < records.length) {
      const at = next++;
      results[at] = await ingestRow(directory, records[at]!, input, options);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, records.length) }, work));
  for (const result of results) {
    problems.push(...result.problems);
    if (result.row) rows.push(result.row);
  }
  return { rows, problems };
}

interface RowResult {
  readonly row?: IngestedRow | undefined;
  readonly problems: readonly RowProblem[];
}

async function ingestRow(
  directory: string,
  record: FrameRecord,
  input: IngestInput,
  options: IngestOptions,
): Promise<RowResult> {
  const { table, convert } = input;
  const { columns, boxFormat, image = {}, store = storeImage } = options;
  let row: TableRow | undefined;
  const badBoxes: string[] = [];
  const onBadBox = (problem: string): void => {
    badBoxes.push(problem);
  };
  try {
    if (record.problem) throw record.problem;
    const format = table.format.boxFormat ?? boxFormat;
    const parsed = parseRow(record.values, record.number, {
      columns,
      boxFormat: format,
      language: input.rules.language,
      sections: options.sections,
      onBadBox,
    });
    row = parsed;
    const stored: StoredImage = await store(
      { ...parsed, bytes: parsed.bytes ?? record.file, folder: imagesFolder(options), frame: record.frame },
      { dataDir: directory, id: parsed.number },
      { ...image, format: image?.format ?? "png" },
    );
    if (record.size) checkSize(record.size, { source: stored.source, autoOrient: image?.autoOrient ?? false });
    const readFile = (path: string) => readFileBytes(pathInside(path, imagesFolder(options)));
    const masked = await readMasks(parsed, { size: stored.source, readFile, onBadBox });
    const compared = masked.boxes !== undefined && compares(options.proposer, convert.regions);
    const proposed =
      masked.boxes === undefined || compared
        ? await proposals(directory, masked, { stored, rule: convert.regions, proposer: options.proposer })
        : [];
    const recall = compared ? proposalRecall(masked.boxes!, proposed) : undefined;
    const boxed = masked.boxes === undefined ? { ...masked, boxes: proposed } : masked;
    return {
      row: { ...withFrame(await convertRow(boxed, stored, { ...convert, onBadBox }), record.frame), recall },
      problems: badBoxes.map((problem) => ({ row: record.row, image: parsed.image, problem, boxOnly: true })),
    };
  } catch (error) {
    // What is wrong with a row is listed; a full disk ends the run.
    if (!isVillaError(error, "InvalidFile")) throw error;
    return { problems: [{ row: record.row, image: row?.image, problem: error.message }] };
  }
}

/** Splits go by the row's own id and path, so that frames stay together; then each is told by its number. */
function withFrame(row: IngestedRow, frame: number | undefined): IngestedRow {
  if (frame === undefined) return row;
  return { ...row, source: `${row.source}#${frame}`, id: row.id === undefined ? undefined : `${row.id}#${frame}` };
}

/** Whether proposals are worth comparing with true boxes: a grid and the whole image are not meant to find objects. */
function compares(proposer: Proposer | undefined, { kind }: RegionRule): boolean {
  return proposer !== undefined || kind === "pyramid" || kind === "proposals";
}

/** Regions that a rule or a detector finds, in the pixels of the picture before scaling. */
async function proposals(
  directory: string,
  row: MaskedRow,
  { stored: image, rule, proposer }: { stored: StoredImage; rule: RegionRule; proposer: Proposer | undefined },
): Promise<readonly Box[]> {
  const { source, stored } = image;
  if (!proposer) {
    const names = [row.id, row.image, forwardSlashes(row.image)];
    // A row with boxes of its own needs no proposals.
    if (row.boxes && rule.kind === "proposals" && !names.some((name) => Object.hasOwn(rule.boxes, name ?? "")))
      return [];
    return ruledRegions(rule, source, { names });
  }
  const found = await proposer.propose(await decodeImage(await readFileBytes(join(directory, image.path))));
  if (found.length === 0 && !row.boxes) {
    throw new VillaError("InvalidFile", "it has no boxes, and the detector finds none in it; lower --min-score");
  }
  const [x, y] = [source.width / stored.width, source.height / stored.height];
  return found.map(([x0, y0, x1, y1]): Box => [x0 * x, y0 * y, x1 * x, y1 * y]);
}

/** @throws VillaError `AlreadyExists` for a dataset of another version */
async function finished(out: string): Promise<IngestResult> {
  const bytes = await readFileBytes(join(out, manifestFile));
  const { format, rows, summary } = JSON.parse(new TextDecoder().decode(bytes)) as {
    format: number;
    rows: number;
    summary: IngestSummary;
  };
  if (format === manifestFormat) return { directory: out, rows, complete: true, ...summary };
  throw new VillaError(
    "AlreadyExists",
    `${out} is complete, made by another version of villa ingest; use it as it is, or pass --overwrite to make it anew.`,
  );
}
