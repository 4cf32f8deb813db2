import { isVillaError, parseJson, VillaError } from "@villa/data";
import type { TableFormat, TableRecord } from "./table-format.ts";
import { decodedText, linesOf } from "./text.ts";

/** One JSON object a line. */
export const jsonlFormat: TableFormat = {
  extensions: [".jsonl", ".ndjson"],
  isRectangular: false,
  async open({ path, encoding, lines }) {
    return { expected: lines, records: () => jsonlRecords(path, encoding) };
  },
};

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
    const values = parseJson(line, "it");
    if (typeof values === "object" && values !== null && !Array.isArray(values)) {
      return { number, values: values as Record<string, unknown> };
    }
    return { number, problem: new VillaError("InvalidFile", "it is not a JSON object") };
  } catch (error) {
    if (!isVillaError(error)) throw error;
    // Problems are clauses: "row 3: it is not valid JSON: …".
    return { number, problem: new VillaError("InvalidFile", error.message.replace(/\.$/, ""), { cause: error }) };
  }
}
