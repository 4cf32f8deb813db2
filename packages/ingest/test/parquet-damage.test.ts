import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fixturesDirectory } from "@villa/testing";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openTable } from "../src/node/table/open-table.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "villa-parquet-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const names = ["image", "text", "boxes", "attributes", "group", "split"];

async function rows(bytes: Uint8Array): Promise<unknown[]> {
  const path = join(folder, "table.parquet");
  writeFileSync(path, bytes);
  const found: unknown[] = [];
  const table = await openTable(path, { columns: new Set(names) });
  for await (const { values } of table.records()) found.push(values);
  return found;
}

const table = (count: number): Uint8Array =>
  new Uint8Array(
    parquetWriteBuffer({
      columnData: [
        { name: "image", data: Array.from({ length: count }, (_, i) => `${i}.png`), type: "STRING" },
        { name: "text", data: Array.from({ length: count }, (_, i) => (i % 3 === 0 ? null : "a mug")), type: "STRING" },
        { name: "split", data: Array.from({ length: count }, () => "train"), type: "STRING" },
      ],
      codec: "UNCOMPRESSED",
    }),
  );

test("rows in pages of every size come whole and in order", async () => {
  for (const count of [1, 1024, 1025, 5000]) {
    const found = (await rows(table(count))) as { image: string; text: string | null; split: string }[];
    expect(found).toHaveLength(count);
    expect(found.every(({ image }, i) => image === `${i}.png`)).toBe(true);
    expect(found.at(-1)).toMatchObject({ text: (count - 1) % 3 === 0 ? null : "a mug", split: "train" });
  }
});

test("a block that leads fzstd astray is damage", async () => {
  const bytes = readFileSync(join(fixturesDirectory, "fuzz", "parquet_zstd_offset.parquet"));
  await expect(rows(bytes)).rejects.toMatchObject({ code: "InvalidFile" });
});

test("a file with any byte changed is read, or refused in a sentence", { timeout: 120_000 }, async () => {
  const sound = table(40);
  let refused = 0;
  for (let at = 4; at < sound.length; at++) {
    for (const byte of [0xff, sound[at]! ^ 0x80]) {
      const changed = sound.slice();
      changed[at] = byte;
      await rows(changed).then(
        (found) => expect(found.length).toBeLessThanOrEqual(40),
        (error) => {
          expect(error, `byte ${at} as ${byte}`).toMatchObject({ name: "VillaError", code: "InvalidFile" });
          refused++;
        },
      );
    }
  }
  expect(refused).toBeGreaterThan(200);
});

test("counts that no bytes stand behind are refused before anything is allocated", async () => {
  const sound = table(40);
  // The footer says how many rows there are, as a zigzag varint: 40 is 0x50.
  const at = sound.lastIndexOf(0x50);
  expect(at).toBeGreaterThan(0);
  const more = Uint8Array.from([...sound.slice(0, at), 0x80, 0x80, 0x80, 0x80, 0x10, ...sound.slice(at + 1)]);
  const view = new DataView(more.buffer);
  view.setUint32(more.length - 8, view.getUint32(more.length - 8, true) + 4, true);
  await expect(rows(more)).rejects.toThrow(/cannot be read as Parquet/);
});
