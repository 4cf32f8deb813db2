import { isVillaError, parseJson, VillaError } from "@villa/data";
import type { TableRecord } from "../../table-record.ts";
import type { TableFormat } from "./table-format.ts";
import { decodedText, linesOf } from "./text.ts";

export const jsonl: TableFormat = {
  extensions: [".jsonl", ".ndjson"],
  isRectangular: false,
  open: (path, { encoding, lines }) => ({ expectedRows: lines, records: () => jsonlRecords(path, encoding) }),
};

/** Records of a file with one JSON object a line; a line that is not one gives an error in its place. */
async function* jsonlRecords(path: string, encoding: string): AsyncGenerator<TableRecord> {
  let number = 0;
  for await (const line of linesOf(decodedText(path, encoding))) {
    if (line.trim() === "") continue;
    yield parseLine(line, number++);
  }
}

function parseLine(line: string, number: number): TableRecord {
  try {
    const values = parseJson(line, "it");
    if (typeof values === "object" && values !== null && !Array.isArray(values)) {
      return { number, values: values as Record<string, unknown> };
    }
  } catch (error) {
    if (!isVillaError(error)) throw error;
    return { number, problem: new VillaError("InvalidFile", error.message.replace(/\.$/, ""), { cause: error }) };
  }
  return { number, problem: new VillaError("InvalidFile", "it is not a JSON object") };
}
