// Feather files whose counts claim what their buffers do not hold.
import { describe, expect, test } from "vitest";
import { readAnnotations, readFeather, writeFeather } from "../src/index.ts";

/** Positions of an int64 in the file. */
function positionsOf(bytes: Uint8Array, value: bigint): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: (bytes.length - 8) >> 2 }, (_, i) => 4 * i).filter(
    (at) => view.getBigInt64(at, true) === value,
  );
}

describe.each(["none", "lz4"] as const)("row counts, compression %s", (compression) => {
  // A prime number of rows, so that the count is recognised where it stands.
  const rows = 10_007;
  const file = () =>
    writeFeather(
      [
        { name: "image_id", type: "int64", values: Array.from({ length: rows }, (_, i) => i) },
        { name: "text", type: "string", values: new Array(rows).fill("x") },
        { name: "boxes", type: { list: { list: "int64" } }, values: new Array(rows).fill([[1]]) },
      ],
      { compression },
    );

  test("beyond the buffers are damage, wherever they stand", async () => {
    const bytes = await file();
    expect((await readFeather(bytes)).rowCount).toBe(rows);
    const positions = positionsOf(bytes, BigInt(rows));
    expect(positions.length).toBeGreaterThan(3);
    for (const count of [134_217_732n, 2n ** 31n - 1n, 10_008n]) {
      const changed = bytes.slice();
      for (const at of positions) new DataView(changed.buffer).setBigInt64(at, count, true);
      await expect(readFeather(changed), `${count}`).rejects.toMatchObject({ code: "InvalidFile" });
      await expect(readAnnotations(changed)).rejects.toMatchObject({ code: "InvalidFile" });
    }
    for (const at of positions) {
      const changed = bytes.slice();
      new DataView(changed.buffer).setBigInt64(at, 134_217_732n, true);
      // The last offset of a list is seen when the column is read.
      const rowsOf = readFeather(changed).then((table) => table.rows());
      await expect(rowsOf, `at ${at}`).rejects.toMatchObject({ code: "InvalidFile" });
    }
  });

  test("a table too large for the limit is refused before its rows are made", async () => {
    await expect(readFeather(await file(), { maxBytes: 500_000 })).rejects.toMatchObject({
      code: "UnsafeFile",
      message: expect.stringContaining("maxBytes"),
    });
  });
});

test("columns of JavaScript's own names are columns like others", async () => {
  const names = ["__proto__", "constructor", "toString"];
  const table = await readFeather(await writeFeather(names.map((name) => ({ name, type: "string", values: [name] }))));
  expect(table.columnNames).toEqual(names);
  for (const name of names) expect(table.column(name)).toEqual([name]);
  expect(Object.entries(table.rows()[0]!)).toEqual(names.map((name) => [name, name]));
});
