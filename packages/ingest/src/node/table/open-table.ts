import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { extname } from "node:path";
import { VillaError } from "@villa/data";
import { fileError } from "@villa/data/node";
import { cocoFormat } from "./coco.ts";
import { csvFormat } from "./csv.ts";
import { jsonlFormat } from "./jsonl.ts";
import { parquetFormat } from "./parquet.ts";
import type { TableFormat, TableRows } from "./table-format.ts";

/** The kinds of table. A new one is its module and its name here. */
const formats: readonly TableFormat[] = [jsonlFormat, csvFormat, parquetFormat, cocoFormat];

/** An open table. */
export interface Table extends TableRows {
  readonly format: TableFormat;
  /** sha256 of the file. */
  readonly sha256: string;
}

/**
 * Opens a table by its extension: `.jsonl` (`.ndjson`), `.csv`, `.tsv`, `.parquet`, `.json` (COCO).
 *
 * @param options.columns names of the columns that will be looked at
 * @throws VillaError `InvalidArgument` for another extension, `NotFound`, `FileSystem`, `InvalidFile`
 */
export async function openTable(
  path: string,
  options: { readonly encoding?: string | undefined; readonly columns: ReadonlySet<string> },
): Promise<Table> {
  const { encoding = "utf-8", columns } = options;
  const extension = extname(path).toLowerCase();
  const format = formats.find(({ extensions }) => extensions.includes(extension));
  if (!format) {
    throw new VillaError(
      "InvalidArgument",
      `A table ends in .jsonl, .csv, .tsv, .parquet or .json (COCO), not as "${path}" does.`,
    );
  }
  const { sha256, lines } = await digest(path);
  return { format, sha256, ...(await format.open({ path, encoding, columns, lines })) };
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
