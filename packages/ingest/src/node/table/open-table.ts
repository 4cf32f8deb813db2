import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { extname } from "node:path";
import { VillaError } from "@villa/data";
import { fileError } from "@villa/data/node";
import { cocoRecords } from "./coco.ts";
import { csvRecords } from "./csv.ts";
import { jsonlRecords } from "./jsonl.ts";
import { parquetRecords, parquetRows } from "./parquet.ts";

/** One row as the table has it, or what is wrong with it. */
export type TableRecord = { readonly number: number } & (
  | { readonly values: Readonly<Record<string, unknown>>; readonly problem?: never | undefined }
  | { readonly problem: VillaError; readonly values?: never | undefined }
);

export interface Table {
  readonly format: "jsonl" | "csv" | "parquet" | "coco";
  /** sha256 of the file. */
  readonly sha256: string;
  /** About how many rows there are, for progress. */
  readonly expectedRows: number;
  /** All rows in order, read as they are asked for. May be called more than once. */
  records(): AsyncIterable<TableRecord>;
}

/**
 * Opens a table by its extension: `.jsonl` (`.ndjson`), `.csv`, `.tsv`, `.parquet`, `.json` (COCO).
 *
 * @param options.columns names of the columns that will be looked at
 * @throws VillaError `InvalidArgument` for another extension, `NotFound`, `FileSystem`; `records()` throws `InvalidFile`
 */
export async function openTable(
  path: string,
  options: { readonly encoding?: string | undefined; readonly columns: ReadonlySet<string> },
): Promise<Table> {
  const { encoding = "utf-8", columns } = options;
  const extension = extname(path).toLowerCase();
  const format = formats[extension];
  if (!format) {
    throw new VillaError(
      "InvalidArgument",
      `A table ends in .jsonl, .csv, .tsv, .parquet or .json (COCO), not as "${path}" does.`,
    );
  }
  const { sha256, lines } = await digest(path);
  switch (format) {
    case "jsonl":
      return { format, sha256, expectedRows: lines, records: () => jsonlRecords(path, encoding) };
    case "csv":
      return { format, sha256, expectedRows: Math.max(0, lines - 1), records: () => csvRecords(path, encoding) };
    case "parquet":
      return { format, sha256, expectedRows: await parquetRows(path), records: () => parquetRecords(path, columns) };
    case "coco": {
      const records = await cocoRecords(path);
      return { format, sha256, expectedRows: records.length, records: () => asynchronous(records) };
    }
  }
}

const formats: Readonly<Record<string, Table["format"]>> = {
  ".jsonl": "jsonl",
  ".ndjson": "jsonl",
  ".csv": "csv",
  ".tsv": "csv",
  ".parquet": "parquet",
  ".json": "coco",
};

async function* asynchronous<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

/** sha256 and number of lines, in one pass. */
async function digest(path: string): Promise<{ sha256: string; lines: number }> {
  const hash = createHash("sha256");
  let lines = 0;
  let last = 10;
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Uint8Array>) {
      hash.update(chunk);
      for (const byte of chunk) if (byte === 10) lines++;
      last = chunk.at(-1) ?? last;
    }
  } catch (error) {
    throw fileError(error, path, "read");
  }
  return { sha256: hash.digest("hex"), lines: last === 10 ? lines : lines + 1 };
}
