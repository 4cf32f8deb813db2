import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Box, checkArgument, VillaError } from "@villa/data";
import { datasetFiles } from "@villa/data/node";
import type { TableRecord } from "../table-record.ts";
import type { IngestSummary } from "./assemble.ts";
import { ingest, ingestRule } from "./ingest.ts";
import type { IngestOptions } from "./options.ts";
import type { Table } from "./table/open-table.ts";

/** A mask: polygons in pixels (x, y, x, y, …), COCO's run lengths, or the path of a PNG whose pixels but 0 are inside. */
export type RegionSegmentation =
  | readonly (readonly number[])[]
  | { readonly size: readonly [height: number, width: number]; readonly counts: string | readonly number[] }
  | string;

/** An image and what is known of it. Names are those of a table's columns; more about each on the page of own data. */
export interface DatasetRow {
  /** A path, inside of `images` or absolute, or the bytes of an image file. */
  readonly image: string | Uint8Array;
  /** Any number of sentences; or several texts, such as captions. */
  readonly text: string | readonly string[];
  /** Corners in pixels, with their true attributes where these are known. Default: as the option `regions` says. */
  readonly boxes?:
    | readonly (Box | { readonly box: Box; readonly attributes?: readonly string[] | undefined })[]
    | undefined;
  /** Each region's mask, beside `boxes` (null for a region that is its box) or in place of them. */
  readonly masks?: readonly (RegionSegmentation | null)[] | undefined;
  /** Path of a PNG whose labels are the regions, in place of `boxes` and `masks`. */
  readonly label_map?: string | undefined;
  /** Default: looked for in the text. */
  readonly attributes?: readonly string[] | undefined;
  readonly split?: string | undefined;
  /** What must not be torn apart by splits, e.g. the patient. */
  readonly group?: string | undefined;
  /** The row's own name, unique. */
  readonly id?: string | number | undefined;
}

/** As for a table, without what rows of a program have no need of. */
export interface WriteDatasetOptions
  extends Omit<
    IngestOptions,
    "table" | "columns" | "encoding" | "limit" | "mine" | "suggest" | "shard" | "mergeOnly" | "attributes" | "boxFormat"
  > {
  /** A file of attributes, or what it would hold: names, `{ name, synonyms, templates }`, or `{ groups }`. */
  readonly attributes?: string | readonly unknown[] | { readonly groups: readonly unknown[] } | undefined;
  /** How many rows there are, for progress. */
  readonly total?: number | undefined;
}

/**
 * Makes a dataset folder of rows as a program has them: for whatever no table holds. Rows are taken one by one, and every
 * 64 reach the disk at once, so that memory stays flat. A run that was stopped begins anew: nothing tells whether another
 * one would give the same rows.
 *
 * @example await writeDataset(rows(), { out: "data/mugs", images: "photos", attributes: ["red", "mug"] })
 * @throws VillaError as `ingestTable`; what the rows throw goes through
 */
export async function writeDataset(
  rows: AsyncIterable<DatasetRow> | Iterable<DatasetRow>,
  options: WriteDatasetOptions,
): Promise<{ readonly directory: string; readonly rows: number } & IngestSummary> {
  checkArgument("rows", rows, "iterable");
  checkArgument("options", options, { ...ingestRule, "attributes?": "text | list | object", "total?": "count" });
  const { out, attributes, total = 0, ...others } = options;
  const isFile = typeof attributes === "string" || attributes === undefined;
  const result = await ingest(
    {
      ...others,
      out,
      table: "what writeDataset was given",
      images: options.images ?? ".",
      attributes: isFile ? attributes : undefined,
      // What a run that was killed has left is in the way.
      overwrite: options.overwrite || !existsSync(join(out, datasetFiles.annotations)),
    },
    { table: tableOf(rows, total), attributes: isFile ? undefined : JSON.stringify(attributes) },
  );
  const { complete: _, ...summary } = result;
  return summary as { directory: string; rows: number } & IngestSummary;
}

function tableOf(rows: AsyncIterable<DatasetRow> | Iterable<DatasetRow>, expectedRows: number): Table {
  return {
    format: { extensions: [], isRectangular: false, open: () => tableOf(rows, expectedRows) },
    sha256: randomUUID(),
    expectedRows,
    async *records() {
      let number = 0;
      for await (const row of rows) yield recordOf(row, number++);
    },
  };
}

function recordOf(row: unknown, number: number): TableRecord {
  if (typeof row === "object" && row !== null && !Array.isArray(row)) return { number, values: { ...row } };
  return { number, problem: new VillaError("InvalidFile", "it is not an object with an image and a text") };
}
