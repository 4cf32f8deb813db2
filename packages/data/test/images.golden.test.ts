// JPEGs over which libjpeg only warns, and PNGs of every kind, pixel for pixel as Pillow reads them.
import { readFileSync } from "node:fs";
import { golden } from "@villa/testing";
import { expect, test } from "vitest";
import { decodeImage } from "../src/index.ts";

const { json, path } = golden();
const { width, height, files } = json<{
  readonly width: number;
  readonly height: number;
  readonly files: Readonly<Record<string, string | null>>;
}>("images/images.json");
const read = (name: string) => decodeImage(new Uint8Array(readFileSync(path(`images/${name}`))));

test.each(Object.entries(files).flatMap(([name, pixels]) => (pixels === null ? [] : [[name, pixels] as const])))(
  "%s: Pillow's pixels",
  async (name, pixels) => {
    const hwc = new Uint8Array(Buffer.from(pixels, "base64"));
    const image = await read(name);
    expect([image.width, image.height]).toEqual([width, height]);
    const plane = width * height;
    const worst = hwc.reduce(
      (most, value, i) => Math.max(most, Math.abs(value - image.data[(i % 3) * plane + Math.floor(i / 3)]!)),
      0,
    );
    expect(worst).toBe(0);
  },
);

test.each(Object.entries(files).flatMap(([name, pixels]) => (pixels === null ? [name] : [])))(
  "%s is refused, as by Pillow",
  async (name) => {
    await expect(read(name)).rejects.toMatchObject({ name: "VillaError", code: "InvalidFile" });
  },
);
