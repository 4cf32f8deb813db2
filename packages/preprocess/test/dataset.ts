import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import { type Box, crc32, type ImageAnnotation, type RgbImage, writeFeather, writeSparseCoo } from "@villa/data";
import type { Encoder } from "@villa/encoders";
import { bytes } from "@villa/testing";

/** A folder of `count` images of changing sizes, file kinds and numbers of regions. */
export async function makeDataset(
  count: number,
  change: (row: ImageAnnotation) => ImageAnnotation = (row) => row,
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "villa-preprocess-"));
  await mkdir(join(folder, "images"));
  const rows: ImageAnnotation[] = [];
  for (let i = 0; i < count; i++) {
    const [height, width] = i % 3 === 2 ? [40, 60] : [32, 32];
    const image: RgbImage = { width, height, channels: 3, data: bytes(`image:${i}`, 3 * width * height) };
    const imageFilepath = `images/${i}.${i % 2 ? "png" : "npz"}`;
    const coo = () => writeSparseCoo({ dtype: "uint8", shape: [3, height, width], data: image.data });
    await writeFile(join(folder, imageFilepath), i % 2 ? encodePng(image) : coo());
    const boxes: Box[] = [
      [0, 0, 28, 28],
      [3, 1, 32, 20],
      [0, 0, width, height],
    ];
    const regionCoord = boxes.slice(0, i % 4);
    rows.push(
      change({
        imageId: 100 + i,
        imageSize: [height, width],
        imageFilepath,
        regionCoord,
        numRegions: regionCoord.length,
        split: i % 5 === 4 ? "val" : "train",
        text: `the color is red . picture ${i}`,
        attributes: ["red"],
      }),
    );
  }
  await writeFile(join(folder, "annotations.feather"), await uncheckedAnnotations(rows));
  return folder;
}

/** Annotations as another program may have written them: `writeAnnotations` would refuse some that tests need. */
function uncheckedAnnotations(rows: readonly ImageAnnotation[]): Promise<Uint8Array> {
  const column = (key: keyof ImageAnnotation) => rows.map((row) => row[key]);
  return writeFeather([
    { name: "image_id", type: "int64", values: column("imageId") },
    { name: "image_size", type: { list: "int64" }, values: column("imageSize") },
    { name: "image_filepath", type: "string", values: column("imageFilepath") },
    { name: "region_coord", type: { list: { list: "int64" } }, values: column("regionCoord") },
    { name: "num_regions", type: "int64", values: rows.map((row) => row.regionCoord.length) },
    { name: "split", type: "string", values: column("split") },
    { name: "text", type: "string", values: column("text") },
    { name: "attributes", type: { list: "string" }, values: column("attributes") },
  ]);
}

/** A quick encoder: sums of the pixels inside of a box, and the letters of a text. */
export function sumEncoder({ dimension = 3, scale = 1 } = {}): Encoder & { calls: number } {
  return {
    name: "sums",
    dimension,
    options: { scale },
    calls: 0,
    async encodeRegions(images, boxes) {
      this.calls++;
      const rows = images.flatMap(({ width, data }, image) =>
        boxes[image]!.map(([x0, y0, x1, y1]) => {
          let sum = 0;
          for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) sum += data[y * width + x]!;
          return Array.from({ length: dimension }, (_, i) => (sum * scale) / (i + 1));
        }),
      );
      return Float32Array.from(rows.flat());
    },
    async encodeText(texts) {
      return Float32Array.from(texts.flatMap((text) => Array.from({ length: dimension }, (_, i) => text.length + i)));
    },
    dispose() {},
  };
}

function encodePng({ width, height, data }: RgbImage): Uint8Array {
  const raw = Buffer.alloc(height * (1 + 3 * width));
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++) raw[y * (1 + 3 * width) + 1 + 3 * x + c] = data[c * width * height + y * width + x]!;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const chunk = (type: string, body: Uint8Array) => {
    const out = Buffer.alloc(12 + body.length);
    out.writeUInt32BE(body.length, 0);
    out.write(type, 4, "latin1");
    out.set(body, 8);
    out.writeUInt32BE(crc32(out.subarray(4, 8 + body.length)), 8 + body.length);
    return out;
  };
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(raw)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}
