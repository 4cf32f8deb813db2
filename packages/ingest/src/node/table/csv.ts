import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { isVillaError, VillaError } from "@villa/data";
import { csvOptions, csvRecord, uniqueColumns } from "../../csv-head.ts";
import type { TableRecord } from "../../table-record.ts";
import type { TableFormat } from "./table-format.ts";
import { decodedText } from "./text.ts";

export const csv: TableFormat = {
  extensions: [".csv", ".tsv"],
  isRectangular: true,
  open: (path, { encoding, lines }) => ({
    expectedRows: Math.max(0, lines - 1),
    records: () => csvRecords(path, encoding),
  }),
};

/** Records of a CSV or TSV file whose first line names the columns, with commas, semicolons or tabs between them. */
async function* csvRecords(path: string, encoding: string): AsyncGenerator<TableRecord> {
  const { parse } = await import("csv-parse");
  const text = decodedText(path, encoding);
  const first = (await text.next()).value ?? "";
  const { start, options } = csvOptions(first);
  const parser = parse(options);
  // An error of either side ends the loop below, which is where it is thrown.
  const reading = pipeline(Readable.from(chained(start, text)), parser).catch(() => undefined);
  let columns: string[] | undefined;
  let number = 0;
  try {
    for await (const fields of parser as AsyncIterable<string[]>) {
      if (columns) yield csvRecord(columns, { fields, number: number++ });
      else columns = uniqueColumns(fields);
    }
  } catch (error) {
    if (isVillaError(error)) throw error;
    throw new VillaError("InvalidFile", `${path} is not a proper table: ${(error as Error).message}.`, {
      cause: error,
    });
  } finally {
    parser.destroy();
    await reading;
  }
}

async function* chained(first: string, rest: AsyncIterable<string>): AsyncGenerator<string> {
  yield first;
  yield* rest;
}
