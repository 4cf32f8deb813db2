import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { extname } from "node:path";
import { otherKind, VillaError } from "@villa/data";
import { fileError } from "@villa/data/node";
import { coco } from "./coco.ts";
import { csv } from "./csv.ts";
import { jsonl } from "./jsonl.ts";
import { parquet } from "./parquet.ts";
import type { TableFormat, TableRows } from "./table-format.ts";

/** In the order in which errors name their extensions. */
const formats: readonly TableFormat[] = [jsonl, csv, parquet, coco];

export interface Table extends TableRows {
  readonly format: TableFormat;
  /** sha256 of the file. */
  readonly sha256: string;
}

/**
 * Opens a table by its extension.
 *
 * @throws VillaError `InvalidArgument` for another extension, `InvalidFile`, `NotFound`, `FileSystem`
 */
export async function openTable(
  path: string,
  { encoding = "utf-8", columns }: { encoding?: string | undefined; columns: ReadonlySet<string> },
): Promise<Table> {
  const extension = extname(path).toLowerCase();
  const format = formats.find(({ extensions }) => extensions.includes(extension));
  if (!format) {
    const known = formats.flatMap(({ extensions }) => extensions);
    throw new VillaError(
      "InvalidArgument",
      `A table ends in ${known.slice(0, -1).join(", ")} or ${known.at(-1)}, not as "${path}" does.`,
    );
  }
  const { sha256, lines, start } = await digest(path);
  const other = otherKind(start);
  if (other.includes("Git LFS")) throw new VillaError("InvalidFile", `${path} is not a table${other}.`);
  const { expectedRows, records } = await format.open(path, { encoding, columns, lines });
  return { format, sha256, expectedRows, records };
}

/** sha256, number of lines and first bytes, in one pass. */
async function digest(path: string): Promise<{ sha256: string; lines: number; start: Uint8Array }> {
  const hash = createHash("sha256");
  let lines = 0;
  let start: Uint8Array | undefined;
  let last = 10;
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Uint8Array>) {
      hash.update(chunk);
      start ??= chunk.slice(0, 64);
      for (const byte of chunk) if (byte === 10) lines++;
      last = chunk.at(-1) ?? last;
    }
  } catch (error) {
    throw fileError(error, path, "read");
  }
  return {
    sha256: hash.digest("hex"),
    lines: last === 10 ? lines : lines + 1,
    start: start ?? new Uint8Array(0),
  };
}
