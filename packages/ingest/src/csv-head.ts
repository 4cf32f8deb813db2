import { VillaError } from "@villa/data";
import type { TableRecord } from "./table-record.ts";

/** How the parser takes a table whose first piece is known, and that piece without what is not part of the table. */
export function csvOptions(first: string) {
  // Excel's way to say what stands between the columns.
  const told = /^\ufeff?sep=(.)\r?\n/.exec(first);
  const start = told ? first.slice(told[0].length) : first;
  const delimiter = told?.[1] ?? mostFrequent(start.split("\n", 1)[0]!);
  return { start, options: { bom: true, delimiter, skip_empty_lines: true, relax_column_count: true } };
}

export function csvRecord(
  columns: readonly string[],
  { fields, number }: { readonly fields: readonly string[]; readonly number: number },
): TableRecord {
  if (fields.length !== columns.length) {
    const why = `it has ${fields.length} ${fields.length === 1 ? "field" : "fields"}, but the head ${columns.length}`;
    return { number, problem: new VillaError("InvalidFile", why) };
  }
  return { number, values: Object.fromEntries(columns.map((column, i) => [column, fields[i]])) };
}

/** @throws VillaError `InvalidFile` for two columns of one name */
export function uniqueColumns(names: readonly string[]): string[] {
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
