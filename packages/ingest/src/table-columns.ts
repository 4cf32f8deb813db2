import { VillaError } from "@villa/data";
import type { ColumnName, TableColumns } from "./row.ts";

/** What to do about a table that cannot be used, in the words of who asked: options of a command, or files of a page. */
export interface Remedies {
  /** About a missing column: a sentence. */
  readonly column: (name: ColumnName) => string;
  /** About missing attributes: the end of a sentence. */
  readonly attributes: string;
  /** About a box that reaches over its picture's edge: the inside of brackets. */
  readonly box: string;
}

/**
 * A column that is not there at all is a fault of the table, not of a row.
 *
 * @param values of the first row
 * @param isRectangular whether every row has every column
 * @param isTold whether attributes come from elsewhere
 * @param remedies what to do about it, as sentences or their ends
 * @throws VillaError `InvalidFile`
 */
export function checkColumns(
  values: Readonly<Record<string, unknown>>,
  {
    table,
    columns = {},
    isRectangular,
    isTold,
    remedies,
  }: {
    readonly table: string;
    readonly columns?: TableColumns | undefined;
    readonly isRectangular: boolean;
    readonly isTold: boolean;
    readonly remedies: Remedies;
  },
): void {
  const has = (name: ColumnName): boolean => Object.hasOwn(values, columns[name] ?? name);
  const named = isRectangular
    ? (Object.keys(columns) as ColumnName[]).filter((name) => columns[name] !== undefined)
    : [];
  const required: ColumnName[] = ["image", "text", ...named];
  const missing = required.find((name) => !has(name));
  if (missing !== undefined) {
    throw new VillaError(
      "InvalidFile",
      `${table} has no column "${columns[missing] ?? missing}"; it has ${Object.keys(values).join(", ")}. ${remedies.column(missing)}`,
    );
  }
  if (isTold || !isRectangular || has("attributes") || has("region_attributes") || has("boxes")) return;
  throw new VillaError("InvalidFile", `${table} has no column of attributes; ${remedies.attributes}.`);
}
