import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isVillaError } from "@villa/data";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readJsonFile } from "../src/evaluate/read-json.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "villa-json-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function read(content: string | Uint8Array, piece?: number): Promise<unknown> {
  const path = join(folder, "file.json");
  await writeFile(path, content);
  return readJsonFile(path, { piece });
}

const problem = (content: string | Uint8Array, piece?: number) =>
  read(content, piece).then(
    () => "none",
    (error) => (isVillaError(error) ? `${error.code}: ${error.message}` : "other"),
  );

test("names that every object has are names like others", async () => {
  const text = '{"__proto__": [1], "constructor": {"__proto__": 2}, "toString": 3}';
  expect(Object.entries((await read(text, 4)) as object)).toEqual(Object.entries(JSON.parse(text)));
});

test("any value is read in pieces as it is at once", async () => {
  const values = fc.oneof(
    fc.array(fc.jsonValue()),
    fc.dictionary(fc.string(), fc.oneof(fc.array(fc.jsonValue()), fc.jsonValue())),
  );
  await fc.assert(
    fc.asyncProperty(
      values,
      fc.integer({ min: 0, max: 12 }),
      fc.constantFrom(0, 1, 3),
      async (value, piece, indent) => {
        const text = JSON.stringify(value, null, indent);
        expect(await read(text, piece)).toEqual(JSON.parse(text));
      },
    ),
    { numRuns: 100 },
  );
});

test("a byte-order mark is skipped, Python's NaN and Infinity are numbers", async () => {
  expect(await read(`\ufeff{"a": 1}`)).toEqual({ a: 1 });
  expect(await read(`\ufeff[1, 2, 3]`, 4)).toEqual([1, 2, 3]);
  expect(await read(`[{"score": NaN, "name": "NaN"}, -Infinity]`)).toEqual([
    { score: Number.NaN, name: "NaN" },
    Number.NEGATIVE_INFINITY,
  ]);
  expect(await read(`[{"score": NaN}, {"score": 1}]`, 4)).toEqual([{ score: Number.NaN }, { score: 1 }]);
});

test("what is not JSON is named", async () => {
  expect(await problem("")).toMatch(/^InvalidFile: .*file\.json: The file is empty/);
  expect(await problem("[1, 2")).toMatch(/^InvalidFile: .*not JSON/);
  for (const cut of ["[1, 2", '{"a": [{"b": 1', '{"a": "x', '{"a"', "[[1], "]) {
    expect(await problem(cut, 2), cut).toMatch(/^InvalidFile: .*(ends in the middle)/);
  }
  expect(await problem('{"a" 1}', 2)).toMatch(/^InvalidFile/);
  expect(await problem("[1 2]", 2)).toMatch(/^InvalidFile/);
  expect(await problem(Uint8Array.of(0xff, 0xfe, 0x5b, 0))).toMatch(/UTF-16/);
  expect(await problem(Uint8Array.of(0x22, 0xff, 0x22))).toMatch(/UTF-8/);
  const missing = await readJsonFile(join(folder, "nowhere.json")).catch((error: unknown) => error);
  expect(isVillaError(missing, "NotFound")).toBe(true);
});
