import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { deflateSync } from "node:zlib";
import { findPython, golden, unit } from "@villa/testing";
import { build } from "esbuild";
import fc from "fast-check";
import { encode as encodePng } from "fast-png";
import { describe, expect, test } from "vitest";
import { crc32, decodeImage, isVillaError, writeSparseCoo } from "../src/index.ts";
import { temporaryFolder } from "./temporary.ts";

const folder = temporaryFolder();
const python = findPython("PIL", "numpy");
const [height, width] = [5, 7];
const size = width * height;
const chw = Uint8Array.from(unit("image:chw", 3 * size), (value) => Math.floor((value + 1) * 128));
/** The same pixels, channels last. */
const hwc = Uint8Array.from({ length: 3 * size }, (_, i) => chw[(i % 3) * size + Math.floor(i / 3)]!);
const expected = { width, height, channels: 3, data: chw };

describe("lossless formats", () => {
  test("sparse arrays, colour and grey", async () => {
    expect(await decodeImage(writeSparseCoo({ dtype: "uint8", shape: [3, height, width], data: chw }))).toEqual(
      expected,
    );
    const grey = chw.slice(0, size);
    const decoded = await decodeImage(writeSparseCoo({ dtype: "uint8", shape: [height, width], data: grey }));
    expect([...decoded.data]).toEqual([...grey, ...grey, ...grey]);
  });

  test("PNG: colour, transparency, 16 bits, grey", async () => {
    const png = (data: Uint8Array | Uint16Array, channels: 1 | 2 | 3 | 4, depth: 8 | 16 = 8) =>
      decodeImage(encodePng({ width, height, data, channels, depth }));
    expect(await png(hwc, 3)).toEqual(expected);
    const rgba = Uint8Array.from({ length: 4 * size }, (_, i) => (i % 4 === 3 ? 9 : hwc[3 * (i >> 2) + (i % 4)]!));
    expect(await png(rgba, 4)).toEqual(expected);
    expect(
      await png(
        Uint16Array.from(hwc, (value) => (value << 8) | 77),
        3,
        16,
      ),
    ).toEqual(expected);
    const grey = hwc.slice(0, size);
    expect([...(await png(grey, 1)).data]).toEqual([...grey, ...grey, ...grey]);
  });

  test.skipIf(!python)("PNG as Pillow writes it: palette, 1 to 8 bits grey, interlaced or not", async () => {
    const cases = python!.json<Record<string, number[]>>(
      `
import json, os, sys
import numpy as np
from PIL import Image
r = np.random.RandomState(0)
rgb = Image.fromarray(r.randint(0, 256, (5, 7, 3)).astype("u1"))
made = {"palette": rgb.quantize(13), "palette2": rgb.quantize(2), "one_bit": rgb.convert("1"), "grey": rgb.convert("L"), "grey_alpha": rgb.convert("LA"), "rgba": rgb.convert("RGBA")}
told = {}
for name, image in made.items():
    image.save(os.path.join(sys.argv[1], name + ".png"))
    told[name] = np.asarray(image.convert("RGB")).transpose(2, 0, 1).ravel().tolist()
print(json.dumps(told))`,
      folder,
    );
    for (const [name, pixels] of Object.entries(cases)) {
      const decoded = await decodeImage(new Uint8Array(readFileSync(join(folder, `${name}.png`))));
      expect([...decoded.data], name).toEqual(pixels);
    }
  });
});

test.skipIf(!python)(
  "JPEG: baseline, progressive, grey, subsampled, as close as decoders are to each other",
  async () => {
    const cases = python!.json<Record<string, number[]>>(
      `
import json, os, sys
import numpy as np
from PIL import Image
y, x = np.mgrid[0:33, 0:41]
smooth = np.stack([x * 6, y * 7, (x + y) * 3], -1).astype("u1")
rgb = Image.fromarray(smooth)
options = {"baseline": dict(quality=95, subsampling=0), "progressive": dict(quality=95, subsampling=0, progressive=True), "subsampled": dict(quality=95, subsampling=2), "grey": dict(quality=95)}
told = {}
for name, o in options.items():
    path = os.path.join(sys.argv[1], name + ".jpg")
    (rgb.convert("L") if name == "grey" else rgb).save(path, **o)
    told[name] = np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1).ravel().tolist()
print(json.dumps(told))`,
      folder,
    );
    for (const [name, pixels] of Object.entries(cases)) {
      const {
        data,
        width: w,
        height: h,
      } = await decodeImage(new Uint8Array(readFileSync(join(folder, `${name}.jpg`))));
      expect([w, h]).toEqual([41, 33]);
      const differences = Array.from(data, (value, i) => Math.abs(value - pixels[i]!));
      const mean = differences.reduce((sum, difference) => sum + difference, 0) / differences.length;
      // Decoders interpolate subsampled colour differently.
      expect(mean, name).toBeLessThan(name === "subsampled" ? 3 : 1);
    }
  },
);

describe("hostile and damaged images", () => {
  const png = encodePng({ width, height, data: hwc, channels: 3, depth: 8 });
  const jpeg = readFileSync(golden().path("images/420.jpg"));

  test("other formats are said to be unsupported", async () => {
    await expect(decodeImage(new TextEncoder().encode("GIF89a"))).rejects.toMatchObject({ code: "Unsupported" });
    await expect(decodeImage(new Uint8Array(0))).rejects.toMatchObject({ code: "Unsupported" });
  });

  test("arrays of other shapes and types are no images", async () => {
    const data = new Float32Array(3 * size).fill(1);
    const image = decodeImage(writeSparseCoo({ dtype: "float32", shape: [3, height, width], data }));
    await expect(image).rejects.toThrow("must be a uint8 array [3, H, W], not float32 [3,5,7]");
  });

  test("sizes beyond reason are refused before decoding", async () => {
    const huge = png.slice();
    new DataView(huge.buffer).setUint32(16, 0x7fffffff);
    await expect(decodeImage(huge)).rejects.toMatchObject({ code: "UnsafeFile" });
    const wide = Uint8Array.from(jpeg);
    const frame = wide.findIndex((byte, i) => byte === 0xff && wide[i + 1] === 0xc0);
    wide.fill(255, frame + 5, frame + 9);
    await expect(decodeImage(wide)).rejects.toSatisfy((error) => isVillaError(error));
  });

  const zlib = (contents: Uint8Array): Uint8Array => new Uint8Array(deflateSync(contents));
  const chunk = (type: string, body: Uint8Array): Uint8Array => {
    const out = new Uint8Array(12 + body.length);
    const view = new DataView(out.buffer);
    view.setUint32(0, body.length);
    for (let i = 0; i < 4; i++) out[4 + i] = type.charCodeAt(i);
    out.set(body, 8);
    view.setUint32(8 + body.length, crc32(out.subarray(4, 8 + body.length)));
    return out;
  };
  const pngOf = (w: number, h: number, depth: number, type: number, ...chunks: Uint8Array[]): Uint8Array => {
    const header = new Uint8Array(13);
    const view = new DataView(header.buffer);
    view.setUint32(0, w);
    view.setUint32(4, h);
    header.set([depth, type], 8);
    const parts = [Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10), chunk("IHDR", header), ...chunks];
    return new Uint8Array(Buffer.concat([...parts, chunk("IEND", new Uint8Array(0))]));
  };
  const onePixel = zlib(Uint8Array.of(0, 7));

  test("a colour profile is not inflated, whatever it holds", async () => {
    const profile = Buffer.concat([Buffer.from("a\0\0"), zlib(new Uint8Array(1 << 26))]);
    const image = await decodeImage(pngOf(1, 1, 8, 0, chunk("iCCP", profile), chunk("IDAT", onePixel)));
    expect([...image.data]).toEqual([7, 7, 7]);
  });

  test("data that inflate to more than the header needs are refused when that is seen", async () => {
    const bomb = zlib(new Uint8Array(1 << 26));
    await expect(decodeImage(pngOf(1, 1, 8, 0, chunk("IDAT", bomb)))).rejects.toMatchObject({
      code: "InvalidFile",
      message: expect.stringContaining("goes on after its last row"),
    });
  });

  test("a wrong Adler-32 is damage", async () => {
    const wrong = onePixel.slice();
    wrong[wrong.length - 1]! ^= 1;
    expect((await decodeImage(pngOf(1, 1, 8, 0, chunk("IDAT", onePixel)))).data[0]).toBe(7);
    await expect(decodeImage(pngOf(1, 1, 8, 0, chunk("IDAT", wrong)))).rejects.toMatchObject({
      code: "InvalidFile",
      message: expect.stringContaining("Adler-32"),
    });
  });

  test("limits of pixels, bytes and work can be lowered and raised", async () => {
    await expect(decodeImage(png, { maxPixels: 34 })).rejects.toMatchObject({ code: "UnsafeFile" });
    expect((await decodeImage(png, { maxPixels: 35 })).width).toBe(width);
    await expect(decodeImage(png, { maxBytes: 100 })).rejects.toThrow("raise maxBytes");
    await expect(decodeImage(jpeg, { maxSteps: 100 })).rejects.toThrow("raise maxSteps");
    const grey = writeSparseCoo({ dtype: "uint8", shape: [height, width], data: chw.slice(0, size) });
    await expect(decodeImage(grey, { maxPixels: 34 })).rejects.toThrow("raise maxPixels");
    await expect(decodeImage(grey, { maxBytes: 150 })).rejects.toMatchObject({ code: "UnsafeFile" });
  });

  test("a progressive JPEG of thousands of scans is refused after a stated amount of work", async () => {
    const progressive = readFileSync(golden().path("images/progressive_grey.jpg"));
    const last = progressive.lastIndexOf(Buffer.from([0xff, 0xda]));
    const scan = progressive.subarray(last, -2);
    const many = Buffer.concat([
      progressive.subarray(0, -2),
      ...new Array<Buffer>(1001).fill(scan),
      Buffer.of(255, 217),
    ]);
    await expect(decodeImage(many)).rejects.toMatchObject({
      code: "UnsafeFile",
      message: expect.stringContaining("scans"),
    });
    // 8000 x 8000 pixels, a hundred scans that say "nothing more" for 32 767 blocks in a few bits.
    const wide = Buffer.from(many.subarray(0, progressive.length + 100 * scan.length));
    const frame = wide.indexOf(Buffer.from([0xff, 0xc2]));
    wide.writeUInt16BE(8000, frame + 5);
    wide.writeUInt16BE(8000, frame + 7);
    await expect(decodeImage(Buffer.concat([wide, Buffer.of(255, 217)]))).rejects.toMatchObject({
      code: "UnsafeFile",
      message: expect.stringContaining("maxSteps"),
    });
  });

  test.each([
    ["PNG", png],
    ["JPEG", Uint8Array.from(jpeg)],
  ])("any damage to a %s gives an image or a VillaError", async (_, bytes) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 8, max: bytes.length }),
        async (changes, length) => {
          const damaged = bytes.slice(0, length);
          for (const [at, value] of changes) if (at < length) damaged[at] = value;
          await decodeImage(damaged).catch((error: unknown) => {
            expect(isVillaError(error), String(error)).toBe(true);
          });
        },
      ),
      { numRuns: Number(process.env.VILLA_FUZZ ?? 200) },
    );
  });
});

test("the decoders still work when they have been bundled, as in the published package", async () => {
  const entry = fileURLToPath(new URL("../src/formats/image/decode.ts", import.meta.url));
  const outdir = join(folder, "bundle");
  const options = { bundle: true, splitting: true, format: "esm", platform: "node" } as const;
  await build({ ...options, entryPoints: [entry], outdir, outExtension: { ".js": ".mjs" } });
  const bundled: { decodeImage: typeof decodeImage } = await import(/* @vite-ignore */ join(outdir, "decode.mjs"));
  const jpeg = readFileSync(golden().path("images/420.jpg"));
  expect(await bundled.decodeImage(jpeg)).toEqual(await decodeImage(jpeg));
  const png = encodePng({ width, height, data: hwc, channels: 3, depth: 8 });
  expect(await bundled.decodeImage(png)).toEqual(expected);
});
