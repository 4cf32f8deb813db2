import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { storeImage } from "../src/node.ts";
import { TestFolder } from "./folder.ts";

const count = 150; // three parts
const rows = Array.from({ length: count }, (_, i) => ({
  image: `${"abc"[i % 3]}.png`,
  text: `a red lid ${i}`,
  id: `r${i}`,
}));

/** Name → contents of every file. */
function contents(folder: string): Map<string, string> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = names.map((entry) => join(entry.parentPath, entry.name));
  return new Map(paths.sort().map((path) => [path.slice(folder.length), readFileSync(path, "latin1")]));
}

async function prepare() {
  const folder = await TestFolder.make();
  const attributes = await folder.attributes(["red", "lid"]);
  const table = await folder.jsonl(rows);
  await folder.ingest(table, { attributes, out: folder.file("whole") });
  const shard = (index: number, of = 3) => folder.ingest(table, { attributes, shard: { index, count: of } });
  const merge = () => folder.ingest(table, { attributes, mergeOnly: true });
  return { folder, shard, merge };
}

test("shards in any order, two at once, one twice: byte for byte the dataset of a single run", async () => {
  const { folder, shard, merge } = await prepare();
  expect(await shard(2)).toEqual({ directory: folder.file("data"), rows: count, complete: false });
  await Promise.all([shard(0), shard(1), shard(1)]);
  expect(await merge()).toMatchObject({ complete: true, images: count });
  expect(contents(folder.file("data"))).toEqual(contents(folder.file("whole")));
});

test("a missing shard is named; a shard that was killed goes on", async () => {
  const { folder, shard, merge } = await prepare();
  await expect(merge()).rejects.toThrow("No shard");
  await shard(0);
  await expect(merge()).rejects.toThrow(
    "Missing: shard 1/3, shard 2/3 (2 of 3 parts are not there); run them again, then merge.",
  );
  await shard(1);
  await shard(2);
  // As if shard 1 had been killed before its part was written.
  rmSync(folder.file("data/ingest/part-000001.json"));
  rmSync(folder.file("data/ingest/shard-1-of-3.json"));
  await expect(merge()).rejects.toThrow("Missing: shard 1/3 (1 of 3 parts are not there); run it again");
  await shard(1);
  await merge();
  expect(contents(folder.file("data"))).toEqual(contents(folder.file("whole")));
});

test("two whole runs at once, and two merges, end with the same dataset", async () => {
  const { folder, shard, merge } = await prepare();
  const table = folder.file("table.jsonl");
  const attributes = folder.file("words.json");
  const out = folder.file("twice");
  // The second is held back until the first has finished and cleaned up.
  let first: Promise<unknown> | undefined;
  const store: typeof storeImage = async (...row) => {
    await first;
    return storeImage(...row);
  };
  const second = folder.ingest(table, { attributes, out, store });
  first = folder.ingest(table, { attributes, out });
  for (const { complete, images } of await Promise.all([second, first as typeof second])) {
    expect({ complete, images }).toEqual({ complete: true, images: count });
  }
  expect(contents(out)).toEqual(contents(folder.file("whole")));

  await Promise.all([shard(0), shard(1), shard(2)]);
  const merges = await Promise.all([merge(), merge()]);
  expect(merges.map(({ images }) => images)).toEqual([count, count]);
  expect(contents(folder.file("data"))).toEqual(contents(folder.file("whole")));
});

test("neither a shard nor a merge overwrites what shards have made", async () => {
  const { folder, shard } = await prepare();
  await shard(0);
  const table = folder.file("table.jsonl");
  for (const own of [{ mergeOnly: true }, { shard: { index: 1, count: 3 } }]) {
    const options = { attributes: folder.file("words.json"), seed: 4, ...own };
    await expect(folder.ingest(table, options)).rejects.toThrow("other settings (seed)");
    await expect(folder.ingest(table, { ...options, overwrite: true })).rejects.toThrow("would delete");
  }
  expect(readdirSync(folder.file("data/ingest"))).toContain("part-000000.json");
});

test("a run that was stopped goes on where it was", async () => {
  const folder = await TestFolder.make();
  const attributes = await folder.attributes(["red", "lid"]);
  const table = await folder.jsonl(rows);
  const stop = new AbortController();
  const onProgress = ({ done }: { done: number }) => done >= 64 && stop.abort();
  await expect(folder.ingest(table, { attributes, signal: stop.signal, onProgress })).rejects.toMatchObject({
    code: "Aborted",
  });
  expect(readdirSync(folder.file("data/ingest"))).toContain("part-000000.json");
  await folder.ingest(table, { attributes });
  await folder.ingest(table, { attributes, out: folder.file("whole") });
  expect(contents(folder.file("data"))).toEqual(contents(folder.file("whole")));
});
