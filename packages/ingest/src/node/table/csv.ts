import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { isVillaError, VillaError } from "@villa/data";
import type { TableFormat, TableRecord } from "./table-format.ts";
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
  // Excel's way to say what stands between the columns.
  const told = /^\ufeff?sep=(.)\r?\n/.exec(first);
  const start = told ? first.slice(told[0].length) : first;
  const delimiter = told?.[1] ?? mostFrequent(start.split("\n", 1)[0]!);
  const parser = parse({ bom: true, delimiter, skip_empty_lines: true, relax_column_count: true });
  // An error of either side ends the loop below, which is where it is thrown.
  const reading = pipeline(Readable.from(chained(start, text)), parser).catch(() => undefined);
  let columns: string[] | undefined;
  let number = 0;
  try {
    for await (const fields of parser as AsyncIterable<string[]>) {
      if (columns) yield recordOf(columns, fields, number++);
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

function recordOf(columns: readonly string[], fields: readonly string[], number: number): TableRecord {
  if (fields.length !== columns.length) {
    const why = `it has ${fields.length} ${fields.length === 1 ? "field" : "fields"}, but the head ${columns.length}`;
    return { number, problem: new VillaError("InvalidFile", why) };
  }
  return { number, values: Object.fromEntries(columns.map((column, i) => [column, fields[i]])) };
}

function uniqueColumns(names: string[]): string[] {
  const trimmed = names.map((name) => name.trim());
  const twice = trimmed.find((name, i) => trimmed.indexOf(name) !== i);
  if (twice !== undefined) throw new VillaError("InvalidFile", `The table has two columns "${twice}".`);
  return trimmed;
}

/** The separator of a table, judged by its head. */
function mostFrequent(head: string): string {
  const count = (delimiter: string): number => head.split(delimiter).length;
  return [",", ";", "\t"].reduce((best, each) => (count(each) > count(best) ? each : best));
}

async function* chained(first: string, rest: AsyncIterable<string>): AsyncGenerator<string> {
  yield first;
  yield* rest;
}
