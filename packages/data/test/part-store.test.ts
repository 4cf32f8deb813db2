import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { VillaError } from "../src/index.ts";
import { PartStore, type PartStoreOptions } from "../src/node.ts";
import { temporaryFolder } from "./temporary.ts";

const root = temporaryFolder();
let stores = 0;

const text = {
  extension: "txt",
  encode: (value: string) => value,
  decode: (bytes: Uint8Array) => new TextDecoder().decode(bytes),
};

function makeStore(options: Partial<PartStoreOptions<string>> = {}): PartStore<string> {
  return new PartStore({ folder: join(root, String(stores++)), ...text, ...options });
}

const joined = async (store: PartStore<string>, total: number): Promise<string[]> => {
  const values: string[] = [];
  for await (const value of store.join(total)) values.push(value);
  return values;
};

test("shards share out the parts, in any order; missing ones are named; the whole comes back in order", async () => {
  const store = makeStore();
  const run = async (index: number) => {
    const parts = await store.claim(5, { index, count: 3 });
    for (const part of parts) await store.write(part, `part ${part}`);
    return parts;
  };
  expect(await run(2)).toEqual([2]);
  expect(await run(0)).toEqual([0, 3]);
  expect(() => store.requireAll(5)).toThrow(
    "Missing: shard 1/3 (2 of 5 parts are not there); run it again, then merge.",
  );
  await expect(joined(store, 5)).rejects.toMatchObject({ code: "Mismatch" });
  expect(await run(1)).toEqual([1, 4]);
  expect(await run(1)).toEqual([]);
  expect(await joined(store, 5)).toEqual(["part 0", "part 1", "part 2", "part 3", "part 4"]);
  expect(readdirSync(store.folder)).toContain("part-000004.txt");
});

test("a process that was killed leaves whole parts only, and the next one makes the rest", async () => {
  const store = makeStore();
  await store.write(0, "whole");
  writeFileSync(join(store.folder, "part-000001.txt.4711-00.tmp"), "ha"); // as a kill while writing leaves it
  expect(store.missing(3)).toEqual([1, 2]);
});

describe("settings", () => {
  const settings = { seed: 3, columns: { image: "file", text: undefined }, limit: null };

  test("equal ones go on, whatever the order of their keys", async () => {
    const store = makeStore({ settings });
    await store.begin();
    await store.write(0, "a");
    const again = makeStore({
      folder: store.folder,
      settings: { limit: null, columns: { image: "file" }, seed: 3, x: undefined },
    });
    await again.begin();
    expect(await again.isOfThisWork()).toBe(true);
    expect(again.missing(2)).toEqual([1]);
  });

  test("others are refused by name, in the words of the work", async () => {
    const { folder } = makeStore();
    await makeStore({ folder, settings }).begin();
    const other = { ...settings, seed: 4, limit: 9 };
    await expect(makeStore({ folder, settings: other }).begin()).rejects.toMatchObject({
      code: "AlreadyExists",
      message: expect.stringContaining("(seed, limit)"),
    });
    const conflict: PartStoreOptions<string>["conflict"] = ({ seed }, differing) =>
      new VillaError("Mismatch", `It was seed ${seed}: ${differing}.`);
    await expect(makeStore({ folder, settings: other, conflict }).begin()).rejects.toThrow(
      "It was seed 3: seed,limit.",
    );
    expect(await makeStore({ folder, settings: other }).isOfThisWork()).toBe(false);
  });

  test("parts of which nothing is known, and damaged settings, are refused", async () => {
    const store = makeStore({ settings });
    await store.write(0, "of whom?");
    await expect(store.begin()).rejects.toMatchObject({ code: "AlreadyExists", message: /part-000000.txt/ });
    writeFileSync(join(store.folder, "job.json"), "{");
    await expect(store.begin()).rejects.toMatchObject({ code: "InvalidFile", message: /job\.json is damaged/ });
  });

  test("a manifest that an earlier version noted as a whole is understood", async () => {
    const store = makeStore({ settings: { encoder: { name: "pixels" }, dataset: { images: 3 } } });
    mkdirSync(store.folder, { recursive: true });
    const manifest = { format: 1, encoder: { name: "pixels" }, dataset: { images: 3 }, version: "0.1.0" };
    writeFileSync(join(store.folder, "job.json"), JSON.stringify(manifest));
    await store.begin();
    const other = makeStore({ folder: store.folder, settings: { encoder: { name: "clip" }, dataset: { images: 3 } } });
    await expect(other.begin()).rejects.toThrow("(encoder)");
  });
});

test("flawed parts count as finished only where flaws are accepted, and give way to sound ones", async () => {
  const store = makeStore({ isFlawed: (value) => value.includes("?") });
  await store.write(0, "sound");
  await store.write(1, "what?");
  expect(store.missing(2)).toEqual([1]);
  expect(store.missing(2, { acceptFlaws: true })).toEqual([]);
  expect(await store.read(1)).toBe("what?");
  await store.write(1, "mended");
  expect(readdirSync(store.folder).sort()).toEqual(["part-000000.txt", "part-000001.txt"]);
  expect(await joined(store, 2)).toEqual(["sound", "mended"]);
});

test("a damaged part is named with its path; parts may have names of their own", async () => {
  const decode = (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes)) as string;
  const store = makeStore({ decode, extension: "json", name: (part) => `seed-${part + 23}` });
  await store.write(1, '"fine"');
  expect(store.missing(2)).toEqual([0]);
  expect(await store.read(1)).toBe("fine");
  await store.write(0, "{");
  await expect(store.read(0)).rejects.toMatchObject({ code: "InvalidFile", message: /seed-23\.json is damaged/ });
  rmSync(join(store.folder, "seed-23.json"));
  await expect(store.read(0)).rejects.toMatchObject({ code: "NotFound" });
});
