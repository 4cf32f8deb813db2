// Run by many-rows.test.ts in a process of little memory: ingests a table, or rows of a program, and touches no image.
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type DatasetRow, ingestTable, writeDataset } from "../src/node.ts";

const [folder, count, way] = [process.argv[2]!, Number(process.argv[3]), process.argv[4]!];

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
  store: async (_: unknown, __: unknown, id: number) => {
    const size = { width: 100, height: 100 };
    return { source: size, stored: size, path: `images/${id}.png` };
  },
  onProgress: () => reports++,
};
const table = join(folder, "table.jsonl");
if (way === "table") await pipeline(Readable.from(lines()), createWriteStream(table));
const result = await (way === "table" ? ingestTable({ ...options, table }) : writeDataset(rows(), options));
console.log(JSON.stringify({ images: result.images, reports, megabytes: process.resourceUsage().maxRSS / 1024 }));
