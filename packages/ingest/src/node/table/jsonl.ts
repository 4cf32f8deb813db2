import { VillaError } from "@villa/data";
import type { TableRecord } from "./open-table.ts";
import { decodedText, linesOf } from "./text.ts";

/** Records of a file with one JSON object a line; a line that is none gives the error in its place. */
export async function* jsonlRecords(path: string, encoding: string): AsyncGenerator<TableRecord> {
  let number = 0;
  for await (const line of linesOf(decodedText(path, encoding))) {
    if (line.trim() === "") continue;
    yield parseLine(line, number++);
  }
}

function parseLine(line: string, number: number): TableRecord {
  try {
    const values: unknown = JSON.parse(line);
    if (typeof values === "object" && values !== null && !Array.isArray(values)) {
      return { number, values: values as Record<string, unknown> };
    }
  } catch {
    // Below.
  }
  return { number, problem: new VillaError("InvalidFile", "it is not a JSON object") };
}
