import { createHash } from "node:crypto";
import { plainCpuBackend } from "@villa/core";
import type { RgbImage } from "@villa/data";
import { bytes, expectSummary, golden, type Summary } from "@villa/testing";
import { nhwcToNchw } from "@villa/testing/clip-weights";
import { beforeAll, describe, expect, test } from "vitest";
import { type EncoderFiles, type Resample, resizeImage } from "../src/index.ts";
import { wholeInput } from "../src/regions/picture-input.ts";
import { type PictureFamily, readPictureInput } from "../src/vit/picture-config.ts";

interface Fixture {
  seed: string;
  scaled: { from: [number, number]; to: [number, number]; resample: Resample; sha256: string }[];
  processed: {
    naming: PictureFamily;
    config: Record<string, unknown>;
    from: [number, number];
    shape: number[];
    pixels: Summary;
  }[];
}

const { seed, scaled, processed } = golden().json<Fixture>("pictures.json");

const picture = ([width, height]: [number, number]): RgbImage => ({
  width,
  height,
  channels: 3,
  data: bytes(`${seed}:${width}x${height}`, 3 * width * height),
});

beforeAll(() => plainCpuBackend().activate());

test.each(scaled)("$from to $to, $resample, equals Pillow's to the last bit", ({ from, to, resample, sha256 }) => {
  const [width, height] = to;
  const { data } = resizeImage(picture(from), { width, height, resample });
  expect(createHash("sha256").update(data).digest("hex")).toBe(sha256);
});

const filesWith = (config: Record<string, unknown>): EncoderFiles => ({
  label: "golden",
  json: async (name) => (name === "preprocessor_config.json" ? config : undefined),
  path: () => undefined,
});

describe("images as the processors make them", () => {
  test.each(processed)("$naming of $from", async ({ naming, config, from, shape, pixels }) => {
    const input = await readPictureInput(filesWith(config), { naming, imageSize: 40, patchSize: 8 });
    const images = wholeInput(input, [picture(from)]);
    expect(images.shape).toEqual([1, shape[1], shape[2], shape[0]]);
    expectSummary(nhwcToNchw(await images.data(), images.shape), pixels, 1e-6);
    images.dispose();
  });

  test("a way of scaling that is not known, and pixels that are not normalised", async () => {
    const read = (config: Record<string, unknown>) =>
      readPictureInput(filesWith(config), { naming: "clip", imageSize: 40, patchSize: 8 });
    await expect(read({ resample: 1 })).rejects.toMatchObject({
      code: "Unsupported",
      message: expect.stringMatching(/golden scales pictures by Pillow's filter 1.*bilinear \(2\) and bicubic \(3\)/),
    });
    expect((await read({ do_normalize: false })).whole).toMatchObject({ mean: [0, 0, 0], deviation: [1, 1, 1] });
  });
});
