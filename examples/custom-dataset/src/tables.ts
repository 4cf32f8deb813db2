// The same table in every format that `villa ingest` reads.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import type { CataloguePage } from "./catalogue.ts";

/** Writes catalogue.jsonl, .csv, .parquet and .coco.json, and bare.csv: file names and descriptions. @returns their paths */
export async function writeTables(folder: string, pages: readonly CataloguePage[]): Promise<Record<string, string>> {
  const columns = ["id", "image", "shop", "text", "boxes", "region_attributes"] as const;
  const path = (extension: string) => join(folder, `catalogue.${extension}`);
  const paths = {
    jsonl: path("jsonl"),
    csv: path("csv"),
    parquet: path("parquet"),
    coco: path("coco.json"),
    bare: join(folder, "bare.csv"),
  };
  await writeFile(paths.jsonl, pages.map((page) => `${JSON.stringify(page)}\n`).join(""));
  await writeFile(paths.csv, csv(pages, columns));
  await writeFile(
    paths.bare,
    csv(
      pages.map(({ image, text }) => ({ file: image, description: text })),
      ["file", "description"],
    ),
  );
  const columnData = columns.map((name) => ({
    name,
    data: pages.map((page) => text(page[name])),
    type: "STRING" as const,
  }));
  await writeFile(paths.parquet, new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: 50 })));
  await writeFile(paths.coco, JSON.stringify(coco(pages)));
  return paths;
}

/** Lists as JSON, as a cell holds them. */
const text = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

function csv<Row extends object>(rows: readonly Row[], columns: readonly (keyof Row & string)[]): string {
  const cell = (value: unknown): string => `"${text(value).replaceAll('"', '""')}"`;
  return `${[columns.join(","), ...rows.map((row) => columns.map((name) => cell(row[name])).join(","))].join("\n")}\n`;
}

function coco(pages: readonly CataloguePage[]) {
  const names = [...new Set(pages.flatMap(({ region_attributes }) => region_attributes.map(([product]) => product!)))];
  return {
    images: pages.map(({ id, image, shop, text: caption }) => ({ id, file_name: image, shop, caption })),
    annotations: pages.flatMap(({ id, boxes, region_attributes }) =>
      boxes.map(([x0 = 0, y0 = 0, x1 = 0, y1 = 0], i) => {
        const [product = "", ...attributes] = region_attributes[i]!;
        return { image_id: id, bbox: [x0, y0, x1 - x0, y1 - y0], category_id: names.indexOf(product), attributes };
      }),
    ),
    categories: names.map((name, id) => ({ id, name })),
  };
}
