import { join } from "node:path";
import { VillaError } from "@villa/data";
import { atomicWriteFile } from "@villa/data/node";
import type { RowProblem } from "../ingested-row.ts";
import { countProblems, listProblems, repeatedId } from "../row-problems.ts";
import { problemsFile } from "./assemble.ts";
import type { FrameRecord } from "./dicom/frame-rows.ts";
import type { IngestJob } from "./job.ts";
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
  throw new VillaError(
    "InvalidFile",
    `${countProblems(problems)} of ${table} cannot be used; put right what is listed (in full in ${path}), or leave such rows and boxes out with --skip-bad:${listProblems(problems)}`,
  );
}

/** Marks a record whose id another one has already. */
export function checkId(
  record: FrameRecord,
  known: { readonly ids: Map<string, number>; readonly column: string },
): FrameRecord {
  const problem = repeatedId(record, record.row, known);
  return problem ? { number: record.number, row: record.row, problem } : record;
}
