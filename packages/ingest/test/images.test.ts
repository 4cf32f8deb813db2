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

test("a palette is not kept: the dataset has 8-bit RGB", async () => {
  const folder = await TestFolder.make([]);
  await blank([10, 20, 30]).png({ palette: true }).toFile(folder.file("images", "palette.png"));
  const table = await folder.jsonl([{ image: "palette.png", text: "x", attributes: ["x"] }]);
  await folder.ingest(table, { image: { format: "keep" } });
  const { isPalette, channels, depth } = await sharp(folder.file("data/images/0.png")).metadata();
  expect({ isPalette, channels, depth }).toEqual({ isPalette: false, channels: 3, depth: "uchar" });
});

test.each([
  ["32-bit integers", "uint", "its samples are 32-bit integers; scale them"],
  ["signed 16-bit integers", "short", "its samples are signed 16-bit integers; scale them"],
  ["floating-point numbers", "float", "its samples are 32-bit floating-point numbers; scale them"],
  ["12 bits of 16", "ushort", "its 16-bit samples reach only to 900 of 65535"],
] as const)("samples of %s are refused, since nothing tells what white is", async (_, depth, message) => {
  const folder = await TestFolder.make([]);
  const samples = Uint16Array.from({ length: 48 }, (_, i) => (i === 7 ? 900 : 300));
  await sharp(samples, { raw: { width: 8, height: 6, channels: 1 } })
    .toColourspace("grey16")
    .raw({ depth })
    .toBuffer()
    .then((data) => tiff(data, depth))
    .then((bytes) => folder.write("images/deep.tif", bytes));
  const table = await folder.jsonl([{ image: "deep.tif", text: "x", attributes: ["x"] }]);
  await expect(folder.ingest(table)).rejects.toThrow(message);
});

/** An uncompressed grey TIFF of 8 × 6 samples. */
function tiff(samples: Buffer, depth: "uint" | "short" | "float" | "ushort"): Buffer {
  const bits = depth === "uint" || depth === "float" ? 32 : 16;
  const kind = { uint: 1, ushort: 1, short: 2, float: 3 }[depth];
  const tags = [
    [256, 8],
    [257, 6],
    [258, bits],
    [259, 1],
    [262, 1],
    [273, 8],
    [277, 1],
    [278, 6],
    [279, samples.length],
    [339, kind],
  ] as const;
  const head = Buffer.from([0x49, 0x49, 42, 0, 0, 0, 0, 0]);
  head.writeUInt32LE(8 + samples.length, 4);
  const directory = Buffer.alloc(2 + 12 * tags.length + 4);
  directory.writeUInt16LE(tags.length, 0);
  for (const [i, [tag, value]] of tags.entries()) {
    directory.writeUInt16LE(tag, 2 + 12 * i);
    directory.writeUInt16LE(4, 4 + 12 * i);
    directory.writeUInt32LE(1, 6 + 12 * i);
    directory.writeUInt32LE(value, 10 + 12 * i);
  }
  return Buffer.concat([head, samples, directory]);
}

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
    "or a JSON file of proposals; there is no file proposals",
  );
});

test("a JPEG that libjpeg only warns of is read", async () => {
  const folder = await TestFolder.make([]);
  const jpeg = await blank([9, 99, 9]).jpeg().toBuffer();
  const odd = Buffer.concat([jpeg.subarray(0, -2), Buffer.alloc(6), jpeg.subarray(-2)]); // bytes before the last marker
  await folder.write("images/odd.jpg", odd);
  const table = await folder.jsonl([{ image: "odd.jpg", text: "red", attributes: ["red"] }]);
  expect(await folder.ingest(table)).toMatchObject({ images: 1 });
});
