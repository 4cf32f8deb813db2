// Run by manyRows.test.ts in a process of little memory: ingests a table without touching any image.
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { ingestTable } from "../src/node.ts";

const [folder, count] = [process.argv[2]!, Number(process.argv[3])];

function* lines() {
  for (let i = 0; i < count; i++) {
    const text = `Study ${i}. There is no effusion, but a fracture of rib ${i % 12}. ${"The heart is of normal size. ".repeat(8)}`;
    yield `${JSON.stringify({
      id: i,
      image: `${i}.png`,
      text,
      attributes: ["rib"],
      boxes: [
        [1, 1, 50, 50],
        [2, 2, 90, 90],
      ],
    })}\n`;
  }
}

const table = join(folder, "table.jsonl");
await pipeline(Readable.from(lines()), createWriteStream(table));
let reports = 0;
const result = await ingestTable({
  images: folder,
  table,
  out: join(folder, "data"),
  store: async (_, __, id) => {
    const size = { width: 100, height: 100 };
    return { source: size, stored: size, path: `images/${id}.png` };
  },
  onProgress: () => reports++,
});
console.log(JSON.stringify({ images: result.images, reports, megabytes: process.resourceUsage().maxRSS / 1024 }));
