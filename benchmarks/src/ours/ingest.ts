// Time of making a dataset of a table and a folder of pictures. The other side: pytorch/ingest.py, a plain PIL and pandas loop.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encodePng } from "@villa/data";
import { ingestTable } from "@villa/ingest/node";
import { report, settings, timed } from "./common.ts";

const at = settings({ images: 48, width: 640, height: 480, repeats: 3 });
const { width, height } = at;
if (at.what === undefined) await measure();
else draw(at.what);

async function measure(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "villa-bench-"));
  // The pictures are drawn in a process of its own, so that the peak of memory is that of ingestion.
  const self = fileURLToPath(import.meta.url);
  execFileSync(process.execPath, [...process.execArgv, self, folder, ...process.argv.slice(2)]);
  const words = ["red", "mug", "crate", "label"];
  const rows = Array.from({ length: at.images }, (_, i) => `${i}.png,A ${words[i % 4]} stands here.`);
  writeFileSync(join(folder, "table.csv"), `image,text\n${rows.join("\n")}\n`);
  writeFileSync(join(folder, "attributes.json"), JSON.stringify(words));
  let made = 0;
  const times = await timed(at.repeats, () =>
    ingestTable({
      table: join(folder, "table.csv"),
      images: folder,
      attributes: join(folder, "attributes.json"),
      regions: "grid:3x3",
      image: { format: "png" },
      out: join(folder, `dataset-${made++}`),
    }),
  );
  rmSync(folder, { recursive: true });
  report(at, "sharp", times, { scale: 1 / at.images });
}

function draw(folder: string): void {
  for (let i = 0; i < at.images; i++) {
    writeFileSync(join(folder, `${i}.png`), encodePng({ width, height, channels: 3, data: pixels(i) }));
  }
}

/** Waves with some grain: about as hard to compress as a photograph. */
function pixels(i: number): Uint8Array {
  const data = new Uint8Array(3 * width * height);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < 3; channel++) {
        const waves = 96 * Math.sin(x / (20 + i)) * Math.cos(y / (15 + i) + channel);
        data[to++] = 128 + waves + ((x * 7 + y * 13 + channel * 5 + i) % 16) - 8;
      }
    }
  }
  return data;
}
