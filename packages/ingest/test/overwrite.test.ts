import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { storeImage } from "../src/node.ts";
import { TestFolder } from "./folder.ts";

const rows = Array.from({ length: 150 }, (_, i) => ({ image: `${"abc"[i % 3]}.png`, text: `a red lid ${i}` }));

/** Name → contents of every file of a folder. */
function contents(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort();
  return new Map(paths.map((path) => [path.slice(folder.length), readFileSync(path, "latin1")]));
}

async function prepare() {
  const folder = await TestFolder.make();
  const attributes = await folder.attributes(["red", "lid"]);
  await folder.ingest(await folder.jsonl(rows.slice(0, 70), "old.jsonl"), { attributes });
  const table = await folder.jsonl(rows);
  await folder.ingest(table, { attributes, out: folder.file("whole") });
  const names = () => readdirSync(folder.path).filter((name) => name.startsWith("data"));
  return { folder, attributes, table, before: contents(folder.file("data")), names };
}

/** Fails at an image, as a full disk does. */
function failing(after: number): typeof storeImage {
  let calls = 0;
  return async (...row) => {
    if (calls++ >= after) throw new Error("killed");
    return storeImage(...row);
  };
}

describe("a dataset that is to be replaced stays", () => {
  test.each([
    ["a column that is misspelt", "image,txt\na.png,a red lid\n", 'no column "text"'],
    ["no attributes", "image,text\na.png,a red lid\n", "no column of attributes"],
    ["a table that ends in the middle of a cell", 'image,text,attributes\na.png,"a red', "not a proper table"],
    ["a bad row", "image,text,attributes\nnowhere.png,a red lid,red\n", "no such file"],
    [
      "a group in two splits",
      "image,text,attributes,split,group\na.png,x,red,train,g\nb.png,x,red,val,g\n",
      "two splits",
    ],
    ["an empty table", "image,text,attributes\n", "no rows"],
  ])("after %s", async (_, csv, message) => {
    const { folder, before } = await prepare();
    await expect(folder.ingest(await folder.write("bad.csv", csv), { overwrite: true })).rejects.toThrow(message);
    expect(contents(folder.file("data"))).toEqual(before);
  });

  test("through a kill, after which the same call without overwrite goes on where it was", async () => {
    const { folder, attributes, table, before, names } = await prepare();
    const killed = folder.ingest(table, { attributes, overwrite: true, store: failing(70) });
    await expect(killed).rejects.toThrow("killed");
    expect(contents(folder.file("data"))).toEqual(before);
    expect(readdirSync(folder.file("data.new/ingest"))).toContain("part-000000.json");
    let calls = 0;
    const store: typeof storeImage = async (...row) => {
      calls++;
      return storeImage(...row);
    };
    const result = await folder.ingest(table, { attributes, store });
    expect(result).toMatchObject({ complete: true, images: 150, directory: folder.file("data") });
    expect(calls).toBe(150 - 64);
    expect(contents(folder.file("data"))).toEqual(contents(folder.file("whole")));
    expect(names()).toEqual(["data"]);
  });

  test("also where the settings are the same, and pictures have changed", async () => {
    const { folder, attributes, before, names } = await prepare();
    rmSync(folder.file("images/b.png"));
    const old = folder.file("old.jsonl");
    await expect(folder.ingest(old, { attributes, overwrite: true })).rejects.toThrow("no such file");
    expect(contents(folder.file("data"))).toEqual(before);
    await expect(folder.ingest(old, { attributes })).rejects.toThrow("no such file");
    expect(await folder.ingest(old, { attributes, skipBad: true })).toMatchObject({ images: 47, skippedRows: 23 });
    expect(names()).toEqual(["data"]);
  });

  test("until two processes at the same work have both ended", async () => {
    const { folder, attributes, table, names } = await prepare();
    await expect(folder.ingest(table, { attributes, overwrite: true, store: failing(0) })).rejects.toThrow("killed");
    let first: Promise<unknown> | undefined;
    const store: typeof storeImage = async (...row) => {
      await first;
      return storeImage(...row);
    };
    const second = folder.ingest(table, { attributes, store });
    first = folder.ingest(table, { attributes });
    expect(await second).toMatchObject({ complete: true, images: 150 });
    expect(contents(folder.file("data"))).toEqual(contents(folder.file("whole")));
    expect(names()).toEqual(["data"]);
  });

  test("and what lies beside it without being ours is not touched", async () => {
    const { folder, attributes, table, before } = await prepare();
    await folder.ingest(table, { attributes, out: folder.file("data.new") });
    const beside = contents(folder.file("data.new"));
    await expect(folder.ingest(table, { attributes, overwrite: true })).rejects.toMatchObject({
      code: "AlreadyExists",
      message: expect.stringContaining("data.new"),
    });
    expect(contents(folder.file("data"))).toEqual(before);
    expect(contents(folder.file("data.new"))).toEqual(beside);
  });
});
