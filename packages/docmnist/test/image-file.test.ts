import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readSparseCoo, writeSparseCoo } from "@villa/data";
import { golden } from "@villa/testing";
import fc from "fast-check";
import { unzipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { ImageFileEncoder } from "../src/index.ts";

/** Images with runs of equal and of black pixels, as drawings have them. */
const image = (width: number, height: number) =>
  fc
    .array(fc.tuple(fc.integer({ min: 1, max: 300 }), fc.constantFrom(0, 0, 1, 7, 128, 255)), { maxLength: 60 })
    .map((runs) => {
      const pixels = new Uint8Array(3 * width * height);
      let at = 0;
      for (const [length, value] of runs) {
        pixels.fill(value, at, at + length);
        at += length;
      }
      return pixels;
    });

const expectSameMembers = (actual: Uint8Array, expected: Uint8Array): void => {
  const members = unzipSync(expected);
  const ours = unzipSync(actual);
  expect(Object.keys(ours)).toEqual(Object.keys(members));
  for (const [name, contents] of Object.entries(members)) {
    expect(Buffer.compare(ours[name]!, contents), name).toBe(0);
  }
};

describe("ImageFileEncoder", () => {
  it("writes the members that pydata/sparse writes, byte for byte", async () => {
    const file = await readFile(golden().path("files/0.npz"));
    const { shape, data } = readSparseCoo(new Uint8Array(file));
    const ours = new ImageFileEncoder(shape[2]!, shape[1]!).encode(data as Uint8Array);
    expectSameMembers(ours, new Uint8Array(file));
  });

  it.each([
    [84, 84],
    [85, 3],
    [1, 1],
    [256, 256],
  ])("keeps any image of %i×%i pixels", (width, height) => {
    const encoder = new ImageFileEncoder(width, height);
    fc.assert(
      fc.property(image(width, height), (pixels) => {
        const file = encoder.encode(pixels);
        const back = readSparseCoo(file);
        expect(back.shape).toEqual([3, height, width]);
        expect(Buffer.compare(back.data as Uint8Array, pixels)).toBe(0);
        expectSameMembers(file, writeSparseCoo({ dtype: "uint8", shape: [3, height, width], data: pixels }));
      }),
      { numRuns: 20 },
    );
  });

  it("keeps an image without a black pixel, and one of nothing else", () => {
    for (const value of [0, 9]) {
      const pixels = new Uint8Array(3 * 252 * 252).fill(value);
      const { data } = readSparseCoo(new ImageFileEncoder(252, 252).encode(pixels));
      expect(Buffer.compare(data as Uint8Array, pixels)).toBe(0);
    }
  });

  it("does not depend on where in memory the image starts", () => {
    const pixels = Uint8Array.from({ length: 3 * 84 * 84 }, (_, i) => (i % 5 === 0 ? i % 251 : 0));
    const shifted = new Uint8Array(pixels.length + 1).subarray(1);
    shifted.set(pixels);
    const encoder = new ImageFileEncoder(84, 84);
    expect(encoder.encode(shifted)).toEqual(encoder.encode(pixels));
  });

  it("refuses images of another size", () => {
    expect(() => new ImageFileEncoder(84, 84).encode(new Uint8Array(5))).toThrow("5 bytes");
    expect(() => new ImageFileEncoder(257, 1)).toThrow("cannot be encoded");
  });

  const python = pythonWithSparse();
  it.skipIf(!python)("is loaded by pydata/sparse", () => {
    const folder = mkdtempSync(join(tmpdir(), "docmnist-sparse-"));
    try {
      const pixels = Uint8Array.from({ length: 3 * 84 * 84 }, (_, i) => (i % 7 === 0 ? i % 256 : 0));
      writeFileSync(join(folder, "0.npz"), new ImageFileEncoder(84, 84).encode(pixels));
      const script = "import sys, sparse; sys.stdout.buffer.write(sparse.load_npz(sys.argv[1]).todense().tobytes())";
      const dense = execFileSync(python!, ["-c", script, join(folder, "0.npz")]);
      expect(Buffer.compare(dense, pixels)).toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

function pythonWithSparse(): string | undefined {
  for (const python of ["/usr/bin/python3", "python3"]) {
    try {
      execFileSync(python, ["-c", "import sparse"], { stdio: "ignore" });
      return python;
    } catch {
      // try the next one
    }
  }
  console.warn("Skipped: no Python with pydata/sparse.");
  return undefined;
}
