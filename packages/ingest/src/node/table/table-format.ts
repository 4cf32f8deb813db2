import type { BoxFormat } from "../../row-regions.ts";
import type { TableRecord } from "../../table-record.ts";

/** The rows of a table. */
export interface TableRows {
  /** About how many there are, for progress. */
  readonly expectedRows: number;
  /** All in order, read as they are asked for. May be called more than once. @throws VillaError `InvalidFile` */
  records(): AsyncIterable<TableRecord>;
}

/** How a table is read. */
export interface TableReadOptions {
  /** Of the text, by its WHATWG name. */
  readonly encoding: string;
  /** Names of the columns that will be looked at. */
  readonly columns: ReadonlySet<string>;
  /** Lines of the file. */
  readonly lines: number;
}

/** A format of tables: a module that exports one, and a line in `open-table.ts`. */
export interface TableFormat {
  /** In lower case, with the dot. */
  readonly extensions: readonly string[];
  /** Whether every row has every column. Objects may leave out what they have nothing to say about. */
  readonly isRectangular: boolean;
  /** What boxes of this format are, whatever the caller says of tables. */
  readonly boxFormat?: BoxFormat | undefined;
  /** @throws VillaError `InvalidFile`, `NotFound`, `FileSystem` */
  open(path: string, options: TableReadOptions): TableRows | Promise<TableRows>;
}
