// Inputs at which the fuzzer (tools/fuzz) found a reader at fault.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fixturesDirectory } from "@villa/testing";
import { expect, test } from "vitest";
import { writeZip, zipMember } from "../src/formats/zip/writer.ts";
import { openStateDict, type RangeSource, readFeather, readNpz } from "../src/index.ts";
import { thrown } from "./temporary.ts";

const file = (name: string): Uint8Array => new Uint8Array(readFileSync(join(fixturesDirectory, "fuzz", name)));
const source = (bytes: Uint8Array): RangeSource => ({
  size: bytes.length,
  read: async (start, end) => bytes.slice(start, end),
});

test("a ZIP directory that is cut short, in front of the record that describes it, is damage", () => {
  // Its end record says that there are no members, and that the directory takes no bytes.
  expect(thrown(() => readNpz(file("npz_directory_cut.npz")))).toMatchObject({ code: "InvalidFile" });
});

test("a FlatBuffers table of an odd size is damage", async () => {
  // Arrow's library sees a field in the half, whose length it counted up to for minutes.
  await expect(readFeather(file("feather_odd_table_size.feather"))).rejects.toMatchObject({ code: "InvalidFile" });
});

test("records of a table are plain objects, and two fields of one name are damage", async () => {
  const whole = new Uint8Array(readFileSync(join(fixturesDirectory, "tables", "types_uncompressed.feather")));
  const records = (await readFeather(whole)).column("struct");
  expect(JSON.parse(JSON.stringify(records.slice(0, 3)))).toEqual([{ a: 1, b: "x" }, null, { a: 2, b: null }]);
  // Arrow's own rows gave a TypeError, wherever they were looked at.
  const table = await readFeather(file("feather_two_fields_of_one_name.feather"));
  expect(thrown(() => table.column("struct"))).toMatchObject({ code: "InvalidFile" });
});

/** An archive whose directory claims one size and place for all of its members. */
function lying(members: number, size: number, offset: number): Uint8Array {
  const bytes = writeZip(
    Array.from({ length: members }, (_, i) => zipMember(`a/${i}`, new Uint8Array(i === 0 ? size : 0))),
  );
  const view = new DataView(bytes.buffer);
  for (let at = view.getUint32(bytes.length - 6, true); view.getUint32(at, true) === 0x02014b50; ) {
    view.setUint32(at + 20, size, true);
    view.setUint32(at + 24, size, true);
    view.setUint32(at + 42, offset, true);
    at += 46 + view.getUint16(at + 28, true);
  }
  return bytes;
}

test("a torch archive whose directory names a member behind its end is damage", async () => {
  await expect(openStateDict(source(file("torch_member_behind_end.pth")))).rejects.toMatchObject({
    code: "InvalidFile",
  });
  await expect(openStateDict(source(lying(2, 10, 1_000_000)))).rejects.toMatchObject({
    code: "InvalidFile",
    message: expect.stringContaining("behind its end"),
  });
});

test("a torch archive whose members overlap is not read as many times as it has members", async () => {
  const bytes = lying(1500, 4_000_000, 0);
  await expect(openStateDict(source(bytes))).rejects.toMatchObject({
    code: "UnsafeFile",
    message: expect.stringContaining("maxSteps"),
  });
});
