import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { isVillaError, VillaError } from "@villa/data";
import type { TableRecord } from "./open-table.ts";
import { decodedText } from "./text.ts";

/** Records of a CSV or TSV file whose first line names the columns, with commas, semicolons or tabs between them. */
export async function* csvRecords(path: string, encoding: string): AsyncGenerator<TableRecord> {
  const { parse } = await import("csv-parse");
  const text = decodedText(path, encoding);
  const first = await text.next();
  const delimiter = mostFrequent((first.value ?? "").split("\n", 1)[0]!);
  const parser = parse({ columns: uniqueColumns, bom: true, delimiter, skip_empty_lines: true });
  // An error of either side ends the loop below, which is where it is thrown.
  const reading = pipeline(Readable.from(chained(first.value ?? "", text)), parser).catch(() => undefined);
  let number = 0;
  try {
    for await (const values of parser as AsyncIterable<Record<string, unknown>>) yield { number: number++, values };
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

function uniqueColumns(names: string[]): string[] {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new VillaError("InvalidFile", `The table has two columns "${twice}".`);
  return names.map((name) => name.trim());
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
