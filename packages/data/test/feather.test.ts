import { createRequire } from "node:module";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createFeatherWriter, type FeatherColumn, isVillaError, readFeather, writeFeather } from "../src/index.ts";

// An independent reader and writer. Its native binary exists for most platforms, not all.
interface Polars {
  readIPC(bytes: Buffer): PolarsFrame;
}
interface PolarsFrame {
  readonly height: number;
  toRecords(): Record<string, unknown>[];
  writeIPC(options: { compression: "uncompressed" | "lz4" | "zstd" }): Buffer;
}
const polars = ((): Polars | undefined => {
  try {
    return createRequire(import.meta.url)("nodejs-polars").default;
  } catch {
    console.warn("nodejs-polars does not run here: its checks of Feather files are skipped");
    return undefined;
  }
})();

const rows = 700;
const long = Array.from({ length: rows }, (_, i) => i);
const columns: readonly FeatherColumn[] = [
  { name: "id", type: "int64", values: long.map((i) => i * 2 ** 33 - 5) },
  { name: "small", type: "int32", values: long.map((i) => (i % 7 === 0 ? null : -i)) },
  { name: "ratio", type: "float64", values: long.map((i) => i / 3) },
  { name: "single", type: "float32", values: long.map((i) => i / 4) },
  { name: "flag", type: "bool", values: long.map((i) => (i % 5 === 0 ? null : i % 3 === 0)) },
  { name: "text", type: "string", values: long.map((i) => (i % 11 === 0 ? null : `the digit is ${i} · é 日本 👍`)) },
  { name: "ascii", type: "string", values: long.map((i) => `the color is red . the digit is ${i % 10}`) },
  { name: "words", type: { list: "string" }, values: long.map((i) => ["zero", null, `n${i}`].slice(0, i % 4)) },
  {
    name: "boxes",
    type: { list: { list: "int64" } },
    values: long.map((i) => Array.from({ length: i % 3 }, (_, k) => [k, i, k + 28, i + 28])),
  },
];
const expected = long.map((i) => Object.fromEntries(columns.map(({ name, values }) => [name, values[i]])));

describe.each(["none", "lz4"] as const)("compression %s", (compression) => {
  test("reads back what it wrote", async () => {
    const table = await readFeather(await writeFeather(columns, { compression }));
    expect(table.rowCount).toBe(rows);
    expect(table.columnNames).toEqual(columns.map(({ name }) => name));
    expect(table.rows()).toEqual(expected);
  });

  test("pieces make the same table as one go", async () => {
    const writer = await createFeatherWriter({ compression });
    const bytes: number[] = [];
    for (const [start, end] of [
      [0, 300],
      [300, 301],
      [301, rows],
    ] as const) {
      bytes.push(...writer.append(columns.map((c) => ({ ...c, values: c.values.slice(start, end) }))));
    }
    bytes.push(...writer.finish());
    const table = await readFeather(Uint8Array.from(bytes));
    expect(table.rows()).toEqual(expected);
  });

  test.skipIf(!polars)("polars reads it", async () => {
    const frame = polars!.readIPC(Buffer.from(await writeFeather(columns, { compression })));
    expect(frame.height).toBe(rows);
    expect(frame.toRecords()).toEqual(expected);
  });
});

test.skipIf(!polars).each(["uncompressed", "lz4", "zstd"] as const)(
  "reads what polars wrote, %s",
  async (compression) => {
    const frame = polars!.readIPC(Buffer.from(await writeFeather(columns)));
    const table = await readFeather(frame.writeIPC({ compression }));
    expect(table.rows()).toEqual(expected);
  },
);

test("reads files at any place in memory", async () => {
  const bytes = await writeFeather(columns, { compression: "lz4" });
  const moved = new Uint8Array(bytes.length + 3);
  moved.set(bytes, 3);
  expect((await readFeather(moved.subarray(3))).rows()).toEqual(expected);
});

test("a table without rows keeps its columns", async () => {
  const table = await readFeather(await writeFeather(columns.map((c) => ({ ...c, values: [] }))));
  expect(table.rowCount).toBe(0);
  expect(table.columnNames).toEqual(columns.map(({ name }) => name));
});

test("integers beyond 2^53 come as bigint", async () => {
  const values = [2n ** 62n, -(2n ** 63n), Number.MAX_SAFE_INTEGER, -1];
  const table = await readFeather(await writeFeather([{ name: "x", type: "int64", values }]));
  expect(table.column("x")).toEqual(values);
});

test("any strings and lists survive", async () => {
  const texts = fc.array(fc.option(fc.array(fc.option(fc.string({ unit: "grapheme" })))), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(texts, fc.constantFrom("none" as const, "lz4" as const), async (values, compression) => {
      const bytes = await writeFeather([{ name: "x", type: { list: "string" }, values }], { compression });
      expect((await readFeather(bytes)).column("x")).toEqual(values);
    }),
    { numRuns: 100 },
  );
});

test("values that do not fit their column are refused", async () => {
  const cases: FeatherColumn[] = [
    { name: "x", type: "int64", values: [1.5] },
    { name: "x", type: "int32", values: [2 ** 31] },
    { name: "x", type: "string", values: [1] },
    { name: "x", type: { list: "string" }, values: ["a"] },
    { name: "x", type: "bool", values: [1] },
  ];
  for (const column of cases) {
    await expect(writeFeather([column]), JSON.stringify(column)).rejects.toMatchObject({ code: "InvalidArgument" });
  }
  await expect(
    writeFeather([
      { name: "a", type: "int32", values: [1] },
      { name: "b", type: "int32", values: [] },
    ]),
  ).rejects.toThrow(/Column "b" has 0 values/);
});

describe("damaged files", () => {
  test("are told from other files", async () => {
    await expect(readFeather(new Uint8Array(0))).rejects.toThrow("not a Feather");
    await expect(readFeather(new TextEncoder().encode("FEA1....FEA1"))).rejects.toMatchObject({ code: "Unsupported" });
    const bytes = await writeFeather(columns);
    await expect(readFeather(bytes.subarray(0, bytes.length - 7))).rejects.toThrow("truncated");
  });

  test.each(["none", "lz4"] as const)("fail with a VillaError and no other, %s", async (compression) => {
    const small = columns.map((column) => ({ ...column, values: column.values.slice(0, 9) }));
    const bytes = await writeFeather(small, { compression });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        async (changes) => {
          const damaged = bytes.slice();
          for (const [at, value] of changes) damaged[at] = value;
          try {
            (await readFeather(damaged, { maxBytes: 1 << 24 })).rows();
          } catch (error) {
            expect(isVillaError(error), String(error)).toBe(true);
          }
        },
      ),
      { numRuns: Number(process.env.VILLA_FUZZ ?? 400) },
    );
  });
});
