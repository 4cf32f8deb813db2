import type { VillaError } from "@villa/data";
import type { BoxFormat } from "../../row.ts";

/** One row as the table has it, or what is wrong with it. */
export type TableRecord = { readonly number: number } & (
  | {
      readonly values: Readonly<Record<string, unknown>>;
      /** What the table says of the picture, which has to agree. */
      readonly size?: { readonly width: number; readonly height: number } | undefined;
      readonly problem?: never | undefined;
    }
  | { readonly problem: VillaError; readonly values?: never | undefined; readonly size?: never | undefined }
);

/** What a format is opened with. */
export interface TableRequest {
  readonly path: string;
  /** Of text. */
  readonly encoding: string;
  /** Names of the columns that will be looked at. */
  readonly columns: ReadonlySet<string>;
  /** Lines of the file, empty ones included. */
  readonly lines: number;
}

/** The rows of an open table. */
export interface TableRows {
  /** About how many there are, for progress. */
  readonly expected: number;
  /** All rows in order, read as they are asked for. May be called more than once. */
  records(): AsyncIterable<TableRecord>;
}

/** All that ingestion needs to know of a kind of table; `open-table.ts` lists them. */
export interface TableFormat {
  /** Endings of files, with the dot, in lower case. */
  readonly extensions: readonly string[];
  /** Every row has every column; objects may leave out what they have nothing to say about. */
  readonly isRectangular: boolean;
  /** Its boxes are always so, whatever `--box-format` says. */
  readonly boxFormat?: BoxFormat | undefined;
  /** @throws VillaError `InvalidFile` for what is wrong with the table as a whole, here or from `records()` */
  open(request: TableRequest): Promise<TableRows>;
}
