import { VillaError } from "@villa/data";
import type { ColumnChunk, FileMetaData, RowGroup } from "hyparquet";
import type { TableRecord } from "../../table-record.ts";
import type { ParquetBudget } from "./parquet-pages.ts";
import type { TableFormat } from "./table-format.ts";

export const parquet: TableFormat = {
  extensions: [".parquet"],
  isRectangular: true,
  open: async (path, { columns }) => ({
    expectedRows: await guarded(path, async () => Number((await openParquet(path)).metadata.num_rows)),
    records: () => parquetRecords(path, columns),
  }),
};

/** Rows decoded at once: at least so many, and as many as the largest page has while they take no more than this. */
const rowsAtOnce = { least: 1024, bytes: 2 ** 26 };

type ParquetFile = Awaited<ReturnType<typeof openParquet>>;

/** Records of a Parquet file; only the columns named are read, and one row group is in memory at a time. */
async function* parquetRecords(path: string, columns: ReadonlySet<string>): AsyncGenerator<TableRecord> {
  const opened = await guarded(path, () => openParquet(path));
  const { parquetSchema } = await import("hyparquet");
  const { pageDecompressors } = await import("./parquet-compression.ts");
  const names = await guarded(path, async () =>
    parquetSchema(opened.metadata).children.map(({ element }) => element.name),
  );
  const present = names.filter((name) => columns.has(name));
  let number = 0;
  for (const group of opened.metadata.row_groups) {
    const end = Number(group.num_rows);
    const window = await guarded(path, () => checkGroup(opened, group, present));
    for (let from = 0; from < end; from += window) {
      const rows = await guarded(path, async () => {
        const found = await rowsOf({
          file: opened.file,
          // Alone, so that the plan of a read does not grow with the file.
          metadata: { ...opened.metadata, num_rows: group.num_rows, row_groups: [group] },
          compressors: pageDecompressors,
          columns: present,
          utf8: false,
          rowStart: from,
          rowEnd: Math.min(end, from + window),
        });
        return found.map((values) => namedValues(values, present));
      });
      for (const values of rows) yield { number: number++, values };
    }
  }
}

/** Rows as lists: hyparquet's own objects lose a column of the name `__proto__`. */
async function rowsOf(options: Parameters<typeof import("hyparquet")["parquetReadObjects"]>[0]): Promise<unknown[][]> {
  const { parquetRead } = await import("hyparquet");
  return new Promise((onComplete, reject) => {
    parquetRead({ ...options, rowFormat: "array", onComplete }).catch(reject);
  });
}

/** hyparquet fills a row with `undefined` where its columns end too early; a value that is missing is null. */
function namedValues(values: readonly unknown[], names: readonly string[]): Readonly<Record<string, unknown>> {
  const at = values.indexOf(undefined);
  if (at >= 0 || values.length < names.length) throw new Error(`the column "${names[at]}" ends before the last row`);
  return Object.fromEntries(names.map((name, i) => [name, values[i]]));
}

async function openParquet(path: string): Promise<{
  file: Awaited<ReturnType<typeof import("hyparquet")["asyncBufferFromFile"]>>;
  metadata: FileMetaData;
}> {
  const { asyncBufferFromFile, parquetMetadata } = await import("hyparquet");
  const { checkThrift } = await import("./parquet-cursor.ts");
  const file = await asyncBufferFromFile(path);
  const size = file.byteLength;
  const ending = new DataView(await file.slice(Math.max(0, size - 8), size));
  if (ending.byteLength < 8 || ending.getUint32(4, true) !== 0x31524150) throw new Error("it does not end in PAR1");
  const length = ending.getUint32(0, true) + 8;
  if (length > size) throw new Error("its metadata is longer than the file");
  const footer = await file.slice(size - length, size);
  checkThrift(new DataView(footer, 0, length - 8), 0);
  const metadata = parquetMetadata(footer, { geoparquet: false });
  const rows = metadata.row_groups.reduce((sum, { num_rows }) => sum + num_rows, 0n);
  if (rows !== metadata.num_rows) throw new Error(`of ${metadata.num_rows} rows its groups have ${rows}`);
  if (metadata.row_groups.some(({ num_rows }) => num_rows < 0n))
    throw new Error("a group has a negative number of rows");
  return { file, metadata };
}

/**
 * Looks through the columns of a row group before they are decoded.
 *
 * @returns how many rows to decode at once
 */
async function checkGroup(
  { file, metadata }: ParquetFile,
  group: RowGroup,
  present: readonly string[],
): Promise<number> {
  const { parquetSchema } = await import("hyparquet");
  const { getTreePath } = await import("hyparquet/src/schema.js");
  const { checkPages } = await import("./parquet-pages.ts");
  const tree = parquetSchema(metadata);
  const chunks = group.columns.flatMap((column) => chunkOf(column, present, file.byteLength));
  const bytes = chunks.reduce((sum, { start, end }) => sum + end - start, 0);
  // The limits of the other readers: 512 MiB and eight times the file; a value of a run takes less than a byte.
  const budget: ParquetBudget = {
    bytes: 2 ** 29 + 8 * file.byteLength,
    values: chunks.length * 2 ** 20 + 64 * bytes,
  };
  const before = budget.bytes;
  const rows = Number(group.num_rows);
  let largest = 0;
  for (const { start, end, metadata: column } of chunks) {
    const path = getTreePath(tree, column.path_in_schema);
    const page = checkPages(await file.slice(start, end), { metadata: column, path, rows, budget });
    largest = Math.max(largest, page);
  }
  const affordable = Math.floor((rowsAtOnce.bytes * rows) / Math.max(1, before - budget.bytes));
  return Math.max(rowsAtOnce.least, Math.min(largest, affordable));
}

/** Where a column lies, if it is one that is looked at. */
function chunkOf({ meta_data: metadata }: ColumnChunk, present: readonly string[], size: number) {
  if (!metadata) throw new Error("a column has no metadata");
  if (!present.includes(metadata.path_in_schema[0] ?? "")) return [];
  const start = Number(metadata.dictionary_page_offset || metadata.data_page_offset);
  const end = start + Number(metadata.total_compressed_size);
  if (!(start >= 4 && end >= start && end <= size)) throw new Error("a column lies outside of the file");
  return [{ start, end, metadata }];
}

async function guarded<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    throw new VillaError("InvalidFile", `${path} cannot be read as Parquet: ${(cause as Error).message}.`, { cause });
  }
}
