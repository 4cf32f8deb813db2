import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fixturesDirectory } from "@villa/testing";
import { zipSync } from "fflate";
import { describe, expect, test } from "vitest";
import { openZip } from "../src/formats/zip/reader.ts";
import { loadStateDict, openStateDict, type RangeSource, saveTorch, type TensorData } from "../src/index.ts";

/** Memory as a source that counts what is read of it. */
function counting(bytes: Uint8Array): RangeSource & { read: RangeSource["read"]; bytesRead: number } {
  return {
    size: bytes.length,
    bytesRead: 0,
    async read(start, end) {
      this.bytesRead += end - start;
      return bytes.slice(start, end);
    },
  };
}

const halves = (length: number): TensorData => ({
  dtype: "float16",
  shape: [length],
  data: Uint16Array.from({ length }, (_, i) => i),
});
const large = new Map([
  ["a", halves(3_000_000)],
  ["b.weight", halves(2_000_000)],
  ["b.bias", halves(7)],
]);

/** Whether two tensors are the same; element by element this takes a minute for large ones. */
function isSame(a: TensorData, b: TensorData | undefined): boolean {
  const bytes = ({ data }: TensorData) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return b !== undefined && a.dtype === b.dtype && `${a.shape}` === `${b.shape}` && bytes(a).equals(bytes(b));
}

describe("openStateDict equals loadStateDict", () => {
  test.each(["clip_zip.pth", "clip_scripted.pt", "clip_legacy.pth"])("%s", async (name) => {
    const bytes = new Uint8Array(readFileSync(join(fixturesDirectory, "weights", name)));
    for (const raw of [true, false]) {
      const file = await openStateDict(counting(bytes), { raw });
      const expected = loadStateDict(bytes, { raw });
      expect([...file.entries.keys()]).toEqual([...expected.keys()]);
      for (const [tensor, value] of expected) expect(await file.tensor(tensor), tensor).toEqual(value);
    }
  });

  test("of a large file only what is asked for is read", async () => {
    const bytes = saveTorch(large);
    const source = counting(bytes);
    const file = await openStateDict(source, { raw: true });
    expect(source.bytesRead).toBeLessThan(2_000_000);
    expect(isSame(await file.tensor("b.weight"), large.get("b.weight"))).toBe(true);
    expect(source.bytesRead).toBeLessThan(6_000_000);
    expect(bytes.length).toBeGreaterThan(10_000_000);
  });

  test("of a compressed archive", async () => {
    const archive = openZip(saveTorch(large));
    const members = Object.fromEntries([...archive.entries.keys()].map((name) => [name, archive.read(name)]));
    const file = await openStateDict(counting(zipSync(members, { level: 1 })), { raw: true });
    for (const [name, tensor] of large) expect(isSame(await file.tensor(name), tensor), name).toBe(true);
  });
});

test("what is cut off, or no torch file at all, is refused", async () => {
  const bytes = saveTorch(large);
  await expect(openStateDict(counting(bytes.subarray(0, 9_000_000)))).rejects.toMatchObject({ code: "InvalidFile" });
  await expect(openStateDict(counting(Uint8Array.of(1, 2, 3)))).rejects.toMatchObject({ code: "InvalidFile" });
  const file = await openStateDict(counting(bytes));
  await expect(file.tensor("c")).rejects.toMatchObject({ code: "InvalidArgument" });
});
