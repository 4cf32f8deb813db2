import { join } from "node:path";
import { checkArgument, VillaError } from "@villa/data";
import { atomicWriteFile } from "@villa/data/node";
import { problemsFile } from "./assemble.ts";
import type { FrameRecord } from "./dicom/frame-rows.ts";
import type { IngestJob, RowProblem } from "./job.ts";
import type { IngestOptions } from "./options.ts";

/** Lists bad rows in a file, and refuses to go on. @throws VillaError `InvalidFile` naming the first of them */
export async function refuse(
  job: IngestJob,
  problems: readonly RowProblem[],
  { table, shard }: IngestOptions,
): Promise<never> {
  const name = shard ? problemsFile.replace(".", `-${shard.index}-of-${shard.count}.`) : problemsFile;
  const path = join(job.directory, name);
  await atomicWriteFile(path, problems.map((problem) => `${JSON.stringify(problem)}\n`).join(""));
  const shown = problems.slice(0, 10).map(describeProblem);
  const more = problems.length > shown.length ? `\n  … and ${problems.length - shown.length} more` : "";
  throw new VillaError(
    "InvalidFile",
    `${described(problems)} of ${table} cannot be used; put right what is listed (in full in ${path}), or leave such rows and boxes out with --skip-bad:\n  ${shown.join("\n  ")}${more}`,
  );
}

/** "2 rows and 1 box" */
function described(problems: readonly RowProblem[]): string {
  const boxes = problems.filter(({ boxOnly }) => boxOnly).length;
  const rows = problems.length - boxes;
  const counts = [
    rows > 0 && `${rows} ${rows === 1 ? "row" : "rows"}`,
    boxes > 0 && `${boxes} ${boxes === 1 ? "box" : "boxes"}`,
  ];
  return counts.filter(Boolean).join(" and ");
}

/** "row 3 (a.jpg): its text is empty" */
export function describeProblem(input: RowProblem): string {
  checkArgument("input", input, { row: "number", "image?": "text", problem: "text", "boxOnly?": "boolean" });
  const { row, image, problem } = input;

  return `row ${row}${image === undefined ? "" : ` (${image})`}: ${problem}`;
}

/** Marks a record whose id another one has already. */
export function checkId(record: FrameRecord, ids: Map<string, number>, column: string): FrameRecord {
  const value = record.values && Object.hasOwn(record.values, column) ? record.values[column] : undefined;
  const id = ["string", "number", "bigint", "boolean"].includes(typeof value) ? String(value).trim() : "";
  if (id === "") return record; // what is neither a word nor a number is refused with its row
  const first = ids.get(id);
  if (first === undefined) {
    ids.set(id, record.row);
    return record;
  }
  return {
    number: record.number,
    row: record.row,
    problem: new VillaError("InvalidFile", `its id "${id}" is that of row ${first} too`),
  };
}
