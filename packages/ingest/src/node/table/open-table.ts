import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import { extname, join } from "node:path";
import { otherKind, VillaError } from "@villa/data";
import { fileError, readFileBytes } from "@villa/data/node";
import { coco } from "./coco.ts";
import { csv } from "./csv.ts";
import { filesIn, imageFolder, metadataFormat } from "./image-folder.ts";
import { jsonl } from "./jsonl.ts";
import { parquet } from "./parquet.ts";
import type { TableFormat, TableReadOptions, TableRows } from "./table-format.ts";
import { webDataset, webDatasetRows } from "./web-dataset.ts";

/** In the order in which errors name their extensions. */
const formats: readonly TableFormat[] = [jsonl, csv, parquet, coco, webDataset];

export interface Table extends TableRows {
  readonly format: TableFormat;
  /** sha256 of the file. */
  readonly sha256: string;
}

/**
 * Opens a table by its extension; a folder as WebDataset's, where it holds tars, or else as Hugging Face's `imagefolder`.
 *
 * @throws VillaError `InvalidArgument` for another extension, `InvalidFile`, `NotFound`, `FileSystem`
 */
export async function openTable(
  path: string,
  { encoding = "utf-8", columns }: { encoding?: string | undefined; columns: ReadonlySet<string> },
): Promise<Table> {
  if (isFolder(path)) return openFolder(path, { encoding, columns });
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

/** Whether a table is a folder of pictures or tars. */
export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

async function openFolder(path: string, options: Omit<TableReadOptions, "lines">): Promise<Table> {
  const hash = createHash("sha256");
  const tars: string[] = [];
  for await (const file of filesIn(path)) {
    // Contents of large folders take long to read: names and sizes say well enough that it is the same.
    hash.update(`${file} ${statSync(join(path, file)).size}\n`);
    if (metadataFormat(file)) hash.update(await readFileBytes(join(path, file)));
    if (webDataset.extensions.includes(extname(file).toLowerCase())) tars.push(join(path, file));
  }
  const format = tars.length > 0 ? webDataset : imageFolder;
  const rows = tars.length > 0 ? webDatasetRows(tars) : await imageFolder.open(path, { ...options, lines: 0 });
  return { ...rows, format, sha256: hash.digest("hex") };
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
    throw fileError(error, { path, doing: "read" });
  }
  return {
    sha256: hash.digest("hex"),
    lines: last === 10 ? lines : lines + 1,
    start: start ?? new Uint8Array(0),
  };
}
