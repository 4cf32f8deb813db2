import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { isVillaError, VillaError } from "@villa/data";
import type { TableFormat, TableRecord } from "./table-format.ts";
import { decodedText } from "./text.ts";

/** Lines of values with commas, semicolons or tabs between them, the first of which names the columns. */
export const csvFormat: TableFormat = {
  extensions: [".csv", ".tsv"],
  isRectangular: true,
  async open({ path, encoding, lines }) {
    return { expected: Math.max(0, lines - 1), records: () => csvRecords(path, encoding) };
  },
};

/**
 * Records of a CSV or TSV file. A row with more or fewer values than there are columns gives the error in its place. A
 * first line `sep=;`, as Excel writes and reads it, names the separator.
 *
 * @throws VillaError `InvalidFile` for quotes that do not match, from which on no row can be told from the next
 */
export async function* csvRecords(path: string, encoding: string): AsyncGenerator<TableRecord> {
  const { parse } = await import("csv-parse");
  const text = decodedText(path, encoding);
  const first = ((await text.next()).value ?? "").replace(/^\ufeff/, "");
  const [told, separator] = /^sep=(.)\r?\n/i.exec(first) ?? [];
  const start = first.slice(told?.length ?? 0);
  const delimiter = separator ?? mostFrequent(start.split("\n", 1)[0]!);
  const parser = parse({ delimiter, skip_empty_lines: true, relax_column_count: true });
  // An error of either side ends the loop below, which is where it is thrown.
  const reading = pipeline(Readable.from(chained(start, text)), parser).catch(() => undefined);
  let columns: readonly string[] | undefined;
  let number = 0;
  try {
    for await (const cells of parser as AsyncIterable<readonly string[]>) {
      if (columns) yield record(columns, cells, number++);
      else columns = columnNames(cells);
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

function record(columns: readonly string[], cells: readonly string[], number: number): TableRecord {
  if (cells.length !== columns.length) {
    const counts = `${cells.length} values for ${columns.length} columns`;
    return {
      number,
      problem: new VillaError("InvalidFile", `it has ${counts} (a separator within a value needs quotes)`),
    };
  }
  return { number, values: Object.fromEntries(columns.map((name, i) => [name, cells[i]!])) };
}

function columnNames(cells: readonly string[]): readonly string[] {
  const names = cells.map((name) => name.trim());
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new VillaError("InvalidFile", `The table has two columns "${twice}".`);
  return names;
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
