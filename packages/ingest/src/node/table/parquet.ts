import { VillaError } from "@villa/data";
import type { TableFormat, TableRecord } from "./table-format.ts";

export const parquet: TableFormat = {
  extensions: [".parquet"],
  isRectangular: true,
  open: async (path, { columns }) => ({
    expectedRows: await parquetRows(path),
    records: () => parquetRecords(path, columns),
  }),
};

/** Rows decoded at once, within a row group. */
const rowsAtOnce = 1024;

/** Number of rows of a Parquet file. */
async function parquetRows(path: string): Promise<number> {
  const { asyncBufferFromFile, parquetMetadataAsync } = await import("hyparquet");
  return guarded(path, async () => Number((await parquetMetadataAsync(await asyncBufferFromFile(path))).num_rows));
}

/** Records of a Parquet file; only the columns named are read, and one row group is in memory at a time. */
async function* parquetRecords(path: string, columns: ReadonlySet<string>): AsyncGenerator<TableRecord> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } = await import("hyparquet");
  const { compressors } = await import("hyparquet-compressors");
  const file = await guarded(path, () => asyncBufferFromFile(path));
  const metadata = await guarded(path, () => parquetMetadataAsync(file));
  const names = parquetSchema(metadata).children.map(({ element }) => element.name);
  const present = names.filter((name) => columns.has(name));
  let start = 0;
  for (const group of metadata.row_groups) {
    const end = start + Number(group.num_rows);
    for (let from = start; from < end; from += rowsAtOnce) {
      const rows = await guarded(path, () =>
        parquetReadObjects({
          file,
          metadata,
          compressors,
          columns: present,
          utf8: false,
          rowStart: from,
          rowEnd: Math.min(end, from + rowsAtOnce),
        }),
      );
      for (const [i, values] of rows.entries()) yield { number: from + i, values };
    }
    start = end;
  }
}

async function guarded<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    throw new VillaError("InvalidFile", `${path} cannot be read as Parquet: ${(cause as Error).message}.`, { cause });
  }
}
