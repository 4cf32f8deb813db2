import { openDataset } from "@villa/data/node";
import sharp from "sharp";
import { expect, test } from "vitest";
import { blank, TestFolder } from "./folder.ts";

/** [3, h, w] at one place. */
async function pixel(folder: TestFolder, row: number, x = 0, y = 0): Promise<number[]> {
  const dataset = await openDataset(folder.file("data"));
  const { data, width, height } = await dataset.readImage(dataset.annotations[row]!);
  return [0, 1, 2].map((c) => data[(c * height + y) * width + x]!);
}

test("grey, transparent, 16-bit, palette, CMYK and other sizes all become 8-bit RGB", async () => {
  const folder = await TestFolder.make([]);
  const file = (name: string) => folder.file("images", name);
  await blank([100, 100, 100]).toColourspace("b-w").png().toFile(file("grey.png"));
  const clear = { r: 255, g: 0, b: 0, alpha: 0 };
  await sharp({ create: { width: 20, height: 50, channels: 4, background: clear } })
    .png()
    .toFile(file("alpha.png"));
  const deep = new Uint16Array(8 * 6).fill(0x1234);
  await sharp(deep, { raw: { width: 8, height: 6, channels: 1 } })
    .toColourspace("grey16")
    .png()
    .toFile(file("deep.png"));
  const deepRgb = Uint16Array.from({ length: 3 * 48 }, (_, i) => [0xff00, 0x8000, 0x0100][i % 3]!);
  await sharp(deepRgb, { raw: { width: 8, height: 6, channels: 3 } })
    .toColourspace("rgb16")
    .png()
    .toFile(file("deeprgb.png"));
  await blank([10, 20, 30]).png({ palette: true }).toFile(file("palette.png"));
  await blank([200, 10, 10]).toColourspace("cmyk").jpeg().toFile(file("cmyk.jpg"));
  await blank([0, 0, 250]).webp({ lossless: true }).toFile(file("web.webp"));
  const names = ["grey.png", "alpha.png", "deep.png", "deeprgb.png", "palette.png", "cmyk.jpg", "web.webp"];
  const table = await folder.jsonl(names.map((image) => ({ image, text: "x", attributes: ["x"] })));
  await folder.ingest(table);
  const dataset = await openDataset(folder.file("data"));
  expect(dataset.annotations.map(({ imageSize }) => imageSize)).toEqual([
    [30, 40],
    [50, 20],
    [6, 8],
    [6, 8],
    [30, 40],
    [30, 40],
    [30, 40],
  ]);
  expect(await pixel(folder, 0)).toEqual([100, 100, 100]);
  expect(await pixel(folder, 1)).toEqual([255, 255, 255]);
  expect(await pixel(folder, 2)).toEqual([0x12, 0x12, 0x12]);
  expect(await pixel(folder, 3)).toEqual([0xff, 0x80, 0x01]);
  expect(await pixel(folder, 4)).toEqual([10, 20, 30]);
  const [red, green, blue] = await pixel(folder, 5);
  expect(red! > 150 && green! < 90 && blue! < 90).toBe(true);
  expect(await pixel(folder, 6)).toEqual([0, 0, 250]);
});

test("PNG, the original's sparse arrays, and files as they are hold the same pixels", async () => {
  const folder = await TestFolder.make();
  const table = await folder.jsonl([{ image: "b.png", text: "x", attributes: ["x"] }]);
  for (const [format, extension] of [
    ["png", "png"],
    ["npz", "npz"],
    ["keep", "png"],
  ] as const) {
    await folder.ingest(table, { image: { format }, overwrite: true });
    const { annotations } = await openDataset(folder.file("data"));
    expect(annotations[0]!.imageFilepath).toBe(`images/0.${extension}`);
    expect(await pixel(folder, 0)).toEqual([40, 100, 200]);
  }
});

test("a kept JPEG is copied; one that must be turned is not", async () => {
  const folder = await TestFolder.make([]);
  await blank([9, 9, 9]).jpeg().toFile(folder.file("images", "up.jpg"));
  await blank([9, 9, 9]).withExif({}).jpeg().withMetadata({ orientation: 6 }).toFile(folder.file("images", "side.jpg"));
  const table = await folder.jsonl(["up.jpg", "side.jpg"].map((image) => ({ image, text: "x", attributes: ["x"] })));
  await folder.ingest(table, { image: { format: "keep", autoOrient: true } });
  const { annotations } = await openDataset(folder.file("data"));
  expect(annotations.map(({ imageFilepath, imageSize }) => [imageFilepath, imageSize])).toEqual([
    ["images/0.jpg", [30, 40]],
    ["images/1.png", [40, 30]],
  ]);
});

test("--max-side scales boxes with the image, in whole pixels that cover them", async () => {
  const folder = await TestFolder.make();
  const table = await folder.jsonl([
    {
      image: "a.png",
      text: "x",
      attributes: ["x"],
      boxes: [
        [3, 3, 39, 29],
        [0, 0, 40.6, 30],
      ],
    },
  ]);
  await folder.ingest(table, { image: { maxSide: 20 } });
  const { annotations } = await openDataset(folder.file("data"));
  expect(annotations[0]).toMatchObject({
    imageSize: [15, 20],
    regionCoord: [
      [1, 1, 20, 15],
      [0, 0, 20, 15],
    ],
  });
});

test("grids cover the image; too small a picture is named; --clip-boxes cuts", async () => {
  const folder = await TestFolder.make();
  await sharp({ create: { width: 2, height: 9, channels: 3, background: "red" } })
    .png()
    .toFile(folder.file("images/tiny.png"));
  const row = { text: "x", attributes: ["x"] };
  const table = await folder.jsonl([
    { ...row, image: "a.png" },
    { ...row, image: "b.png", boxes: [[-9, 20, 12, 99]] },
    { ...row, image: "tiny.png" },
  ]);
  await expect(folder.ingest(table, { regions: "grid:3x2", clipBoxes: true })).rejects.toThrow(
    /row 2 \(tiny.png\): its 2 × 9 pixels/,
  );
  await folder.ingest(table, { regions: "grid:3x2", clipBoxes: true, skipBad: true });
  const { annotations } = await openDataset(folder.file("data"));
  expect(annotations[0]!.regionCoord).toEqual([
    [0, 0, 13, 15],
    [13, 0, 27, 15],
    [27, 0, 40, 15],
    [0, 15, 13, 30],
    [13, 15, 27, 30],
    [27, 15, 40, 30],
  ]);
  expect(annotations[1]!.regionCoord).toEqual([[0, 20, 12, 30]]);
});

test("proposals by path or id", async () => {
  const folder = await TestFolder.make();
  const row = { text: "x", attributes: ["x"] };
  const table = await folder.jsonl([
    { ...row, image: "a.png" },
    { ...row, image: "b.png", id: 7 },
    { ...row, image: "c.png" },
  ]);
  const regions = await folder.write(
    "proposals.json",
    JSON.stringify({
      "a.png": [[0, 0, 5, 5]],
      7: [
        [1, 1, 6, 6],
        [2, 2, 9, 9],
      ],
    }),
  );
  await expect(folder.ingest(table, { regions })).rejects.toThrow("row 2 (c.png): it has neither boxes nor proposals");
  await folder.ingest(table, { regions, skipBad: true });
  const { annotations } = await openDataset(folder.file("data"));
  expect(annotations.map(({ regionCoord }) => regionCoord)).toEqual([
    [[0, 0, 5, 5]],
    [
      [1, 1, 6, 6],
      [2, 2, 9, 9],
    ],
  ]);
  await expect(folder.ingest(table, { regions: "proposals", out: folder.file("other") })).rejects.toThrow(
    "full, grid:3x3 or a JSON file",
  );
});

/** A grey TIFF of 4 × 4 values of 32 bits. @param sampleFormat 1: whole numbers, 3: floating-point */
function tiff(sampleFormat: number): Uint8Array {
  const tags = [
    [256, 4],
    [257, 4],
    [258, 32],
    [259, 1],
    [262, 1],
    [273, 8],
    [277, 1],
    [278, 4],
    [279, 64],
    [339, sampleFormat],
  ] as const;
  const file = Buffer.alloc(8 + 64 + 2 + 12 * tags.length + 4);
  file.write("II*\0", "latin1");
  file.writeUInt32LE(72, 4);
  file.writeUInt16LE(tags.length, 72);
  for (const [i, [tag, value]] of tags.entries()) {
    const at = 74 + 12 * i;
    file.writeUInt16LE(tag, at);
    file.writeUInt16LE(3, at + 2);
    file.writeUInt32LE(1, at + 4);
    file.writeUInt32LE(value, at + 8);
  }
  return file;
}

test("what libjpeg only warns of is read; 32-bit values, and 16-bit ones that use few of their bits, are refused", async () => {
  const folder = await TestFolder.make();
  const jpeg = await blank([9, 99, 9]).jpeg().toBuffer();
  const odd = Buffer.concat([jpeg.subarray(0, -2), Buffer.alloc(6), jpeg.subarray(-2)]); // bytes before the last marker
  await folder.write("images/odd.jpg", odd);
  const row = (image: string) => ({ image, text: "red", attributes: ["red"] });
  expect(await folder.ingest(await folder.jsonl([row("odd.jpg")]))).toMatchObject({ images: 1 });

  const scan = (most: number) =>
    sharp(
      Uint16Array.from({ length: 40 * 30 }, (_, i) => (i * most) / 1199),
      {
        raw: { width: 40, height: 30, channels: 1 },
      },
    )
      .toColourspace("grey16")
      .png()
      .toFile(folder.file(`images/scan-${most}.png`));
  await scan(4000);
  await scan(60_000);
  await scan(0);
  await folder.write("images/float.tiff", tiff(3));
  await folder.write("images/whole.tiff", tiff(1));
  const refused = (image: string) =>
    folder.ingest(folder.file("one.jsonl"), { out: folder.file(image) }).catch((error: Error) => error.message);
  await folder.jsonl([row("scan-4000.png")], "one.jsonl");
  expect(await refused("scan")).toMatch(/its 16-bit values reach 4000 of 65535 at most/);
  await folder.jsonl([row("float.tiff")], "one.jsonl");
  expect(await refused("float")).toMatch(/its values are floating-point numbers, whose range/);
  await folder.jsonl([row("whole.tiff")], "one.jsonl");
  expect(await refused("whole")).toMatch(/its values are 32-bit whole numbers, whose range/);
  const fine = await folder.jsonl([row("scan-60000.png"), row("scan-0.png")], "fine.jsonl");
  expect(await folder.ingest(fine, { out: folder.file("fine") })).toMatchObject({ images: 2 });
});

test("a PNG with a palette is not kept as it is", async () => {
  const folder = await TestFolder.make();
  await blank([9, 99, 9]).png({ palette: true }).toFile(folder.file("images/palette.png"));
  const table = await folder.jsonl([{ image: "palette.png", text: "red", attributes: ["red"] }]);
  await folder.ingest(table, { image: { format: "keep" } });
  const { annotations, imagePath } = await openDataset(folder.file("data"));
  expect(await sharp(imagePath(annotations[0]!)).metadata()).toMatchObject({ isPalette: false, channels: 3 });
});
