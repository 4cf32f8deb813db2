// Run by many-rows.test.ts in a process of little memory: ingests a table, or rows of a program, and touches no image.
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type DatasetRow, ingestTable, type RegionSegmentation, writeDataset } from "../src/node.ts";

const [folder, count, way] = [process.argv[2]!, Number(process.argv[3]), process.argv[4]!];

/** A polygon of 40 corners around a place of a picture of 640 × 480, as annotators draw them. */
function blob(i: number, middle: number, radius: number): RegionSegmentation {
  const corners = Array.from({ length: 40 }, (_, corner) => {
    const reach = 4 * radius * (0.8 + 0.2 * Math.sin(corner * (3 + (i % 5)) + i));
    const angle = (2 * Math.PI * corner) / 40;
    return [320 + (middle - 40) + reach * Math.cos(angle), 240 + reach * Math.sin(angle)];
  });
  return [corners.flat().map((value) => Math.round(10 * value) / 10)];
}

function* rows(): Generator<DatasetRow> {
  for (let i = 0; i < count; i++) {
    const text = `Study ${i}. There is no effusion, but a fracture of rib ${i % 12}. ${"The heart is of normal size. ".repeat(8)}`;
    yield {
      id: i,
      image: `${i}.png`,
      text,
      attributes: ["rib"],
      boxes: [
        [1, 1, 50, 50],
        [2, 2, 90, 90],
      ],
      masks: way === "masks" ? [blob(i, 25, 24), blob(i + 1, 50, 40)] : undefined,
    };
  }
}

function* lines() {
  for (const row of rows()) yield `${JSON.stringify(row)}\n`;
}

let reports = 0;
const options = {
  images: folder,
  out: join(folder, "data"),
  store: async (_: unknown, { id }: { readonly id: number }) => {
    const size = way === "masks" ? { width: 640, height: 480 } : { width: 100, height: 100 };
    return { source: size, stored: size, path: `images/${id}.png` };
  },
  onProgress: () => reports++,
};
const table = join(folder, "table.jsonl");
if (way !== "program") await pipeline(Readable.from(lines()), createWriteStream(table));
const result = await (way !== "program" ? ingestTable({ ...options, table }) : writeDataset(rows(), options));
console.log(JSON.stringify({ images: result.images, reports, megabytes: process.resourceUsage().maxRSS / 1024 }));
