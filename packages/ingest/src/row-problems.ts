import { checkArgument, VillaError } from "@villa/data";
import type { RowProblem } from "./ingested-row.ts";
import type { TableRecord } from "./table-record.ts";

/** "2 rows and 1 box" */
export function countProblems(problems: readonly RowProblem[]): string {
  const boxes = problems.filter(({ boxOnly }) => boxOnly).length;
  const rows = problems.length - boxes;
  const counts = [
    rows > 0 && `${rows} ${rows === 1 ? "row" : "rows"}`,
    boxes > 0 && `${boxes} ${boxes === 1 ? "box" : "boxes"}`,
  ];
  return counts.filter(Boolean).join(" and ");
}

/** The first ten, a line each. */
export function listProblems(problems: readonly RowProblem[]): string {
  const shown = problems.slice(0, 10).map(describeProblem);
  const more = problems.length > shown.length ? `\n  … and ${problems.length - shown.length} more` : "";
  return `\n  ${shown.join("\n  ")}${more}`;
}

/** "row 3 (a.jpg): its text is empty" */
export function describeProblem(input: RowProblem): string {
  checkArgument("input", input, { row: "number", "image?": "text", problem: "text", "boxOnly?": "boolean" });
  const { row, image, problem } = input;

  return `row ${row}${image === undefined ? "" : ` (${image})`}: ${problem}`;
}

/**
 * What is wrong with a record whose id another one has already.
 *
 * @param row that the record is, or is a frame of
 * @param ids rows by their ids; the record's own is added
 */
export function repeatedId(
  record: TableRecord,
  row: number,
  { ids, column }: { readonly ids: Map<string, number>; readonly column: string },
): VillaError | undefined {
  const value = record.values && Object.hasOwn(record.values, column) ? record.values[column] : undefined;
  const id = ["string", "number", "bigint", "boolean"].includes(typeof value) ? String(value).trim() : "";
  if (id === "") return undefined; // what is neither a word nor a number is refused with its row
  const first = ids.get(id);
  if (first !== undefined) return new VillaError("InvalidFile", `its id "${id}" is that of row ${first} too`);
  ids.set(id, row);
  return undefined;
}
