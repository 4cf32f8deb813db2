import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { type Box, encodeRle, type RgbImage, type TensorData, writeSafetensors } from "@villa/data";
import { bytes, expectAllClose, tensorValues } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadImageEncoder, type VitConfig, vitParameterShapes } from "../src/index.ts";
import { openEncoder } from "../src/node.ts";

const sizes: VitConfig = {
  naming: "siglip",
  imageSize: 32,
  patchSize: 8,
  width: 16,
  layers: 2,
  heads: 2,
  hidden: 24,
  embedDim: 16,
  activation: "gelu_tanh",
  epsilon: 1e-6,
};
const picture = (name: string, width: number, height: number): RgbImage => ({
  width,
  height,
  channels: 3,
  data: bytes(name, 3 * width * height),
});
const pictures = [picture("a", 50, 40), picture("b", 32, 32)];
const boxes: Box[][] = [
  [[0, 0, 50, 40]],
  [
    [0, 0, 16, 32],
    [16, 8, 32, 24],
  ],
];

let folder = "";
beforeAll(async () => {
  await testBackends()[0]!.activate();
  const root = await mkdtemp(join(tmpdir(), "villa-vit-"));
  folder = join(root, "model");
  await mkdir(folder);
  const tensors = new Map(
    [...vitParameterShapes(sizes)].map(([name, shape]): [string, TensorData] => [
      name,
      { dtype: "float32", shape: [...shape], data: tensorValues(`folder:${name}`, shape, 0.3) },
    ]),
  );
  await writeFile(join(folder, "model.safetensors"), writeSafetensors(tensors));
  const vision = { num_attention_heads: 2, hidden_act: "gelu_pytorch_tanh" };
  await writeFile(join(folder, "config.json"), JSON.stringify({ model_type: "siglip", vision_config: vision }));
});
afterAll(() => rm(join(folder, ".."), { recursive: true, force: true }));

test("a folder gives vectors of pictures of any size, and of regions in all three ways", async () => {
  const before = tf.memory().numTensors;
  const rows: Float32Array[] = [];
  for (const regions of ["roi-align", "crop", "mask"] as const) {
    const { image } = await openEncoder(folder, { regions });
    expect(image).toMatchObject({ name: "vit-siglip", dimension: 16 });
    expect(image.options).toMatchObject({ regions, patch: 8, layers: 2 });
    rows.push(await image.encodeRegions(pictures, boxes));
    expect(await image.encodeImages(pictures)).toHaveLength(2 * 16);
    image.dispose();
  }
  expect(rows.map(({ length }) => length)).toEqual([48, 48, 48]);
  // Both average whole patches here; a crop sees nothing of the rest of the picture.
  expectAllClose(rows[2]!, rows[0]!, { rtol: 1e-4, atol: 1e-4 });
  expect(rows[1]).not.toEqual(rows[0]);
  expect(tf.memory().numTensors).toBe(before);
});

/** The pixels of some boxes. */
function maskOf({ width, height }: RgbImage, inside: readonly Box[]) {
  const pixels = new Uint8Array(width * height);
  for (const [x0, y0, x1, y1] of inside) {
    for (let y = y0; y < y1; y++) pixels.fill(1, y * width + x0, y * width + x1);
  }
  return encodeRle(pixels, { width, height });
}

test("a mask pools the patches that it covers, each by the share that it covers", async () => {
  const { image } = await openEncoder(folder, { regions: "mask" });
  const [wide, square] = pictures as [RgbImage, RgbImage];
  const patches: Box[] = [
    [0, 0, 8, 8],
    [16, 24, 24, 32],
  ];
  const half: Box = [24, 0, 28, 8];
  const parts = await image.encodeRegions([square], [[...patches, half]]);
  const whole: Box = [0, 0, 32, 32];
  const boxed = await image.encodeRegions([square, wide], [[whole], [[5, 5, 25, 40]]]);
  const masked = await image.encodeRegions([square, wide, square], [[whole, whole], [[0, 0, 50, 40]], [whole]], {
    masks: [[maskOf(square, patches), maskOf(square, [...patches, half])], [maskOf(wide, [[5, 5, 25, 40]])], undefined],
  });
  const row = (values: Float32Array, i: number) => [...values.subarray(16 * i, 16 * i + 16)];
  const [a, b, c] = [0, 1, 2].map((i) => row(parts, i)) as [number[], number[], number[]];
  const close = { rtol: 1e-4, atol: 1e-5 };
  expectAllClose(
    row(masked, 0),
    a.map((value, i) => (value + b[i]!) / 2),
    close,
  );
  expectAllClose(
    row(masked, 1),
    a.map((value, i) => (value + b[i]! + c[i]! / 2) / 2.5),
    close,
  );
  expectAllClose(row(masked, 2), row(boxed, 1), close); // a mask that is a box, on a picture that is scaled
  expectAllClose(row(masked, 3), row(boxed, 0), close); // without a mask the box counts
  const short = image.encodeRegions([square], [[whole]], { masks: [[]] });
  await expect(short).rejects.toThrow("Image 0 has 1 boxes but 0 masks.");
  const other = image.encodeRegions([square], [[whole]], { masks: [[maskOf(wide, patches)]] });
  await expect(other).rejects.toThrow("A mask of 50 × 40 pixels does not fit its image of 32 × 32.");
  image.dispose();
});

test("a mismatch, an image smaller than a patch and an unknown architecture are refused with what was found", async () => {
  const { image } = await openEncoder(folder);
  const tiny = image.encodeRegions([picture("tiny", 7, 40)], [[[0, 0, 7, 7]]]);
  await expect(tiny).rejects.toMatchObject({ code: "InvalidArgument", message: expect.stringContaining("7 × 40") });
  image.dispose();
  await expect(openEncoder(folder, { imageSize: 33 })).rejects.toThrow(/not a multiple of the patches' 8 pixels/);
  await expect(loadImageEncoder({ family: "vit" })).rejects.toMatchObject({ code: "InvalidArgument" });

  const other = join(folder, "../other");
  await mkdir(other);
  await copyFile(join(folder, "config.json"), join(other, "config.json"));
  const one: TensorData = { dtype: "float32", shape: [1], data: Float32Array.of(1) };
  await writeFile(join(other, "model.safetensors"), writeSafetensors(new Map([["convnext.stem.weight", one]])));
  await expect(openEncoder(other)).rejects.toMatchObject({
    code: "Unsupported",
    message: expect.stringMatching(/siglip.*convnext\.stem\.weight.*Supported are clip-resnet, vit/),
  });
});

test("only the parts asked for are trained", async () => {
  const { image } = await openEncoder(folder, { trainable: true });
  const names = (part: "all" | "head" | { last: number }) => [...image.tower!.trainableVariables(part).keys()];
  expect(names("all")).toHaveLength(vitParameterShapes(sizes).size);
  expect(names("head").every((name) => /post_layernorm|vision_model\.head/.test(name))).toBe(true);
  const last = names({ last: 1 });
  expect(last.some((name) => name.includes("layers.1."))).toBe(true);
  expect(last.some((name) => name.includes("layers.0.") || name.includes("embeddings"))).toBe(false);
  image.dispose();
});

test("a timm tower that averages its tokens is refused", async () => {
  const timm: VitConfig = { ...sizes, naming: "open-clip-timm", embedDim: 12 };
  const tensors = new Map(
    [...vitParameterShapes(timm)].map(([name, shape]): [string, TensorData] => [
      name,
      { dtype: "float32", shape: [...shape], data: tensorValues(name, shape, 0.3) },
    ]),
  );
  const timmFolder = join(folder, "../timm");
  await mkdir(timmFolder);
  await writeFile(join(timmFolder, "open_clip_model.safetensors"), writeSafetensors(tensors));
  const config = (pool: string) => JSON.stringify({ model_cfg: { vision_cfg: { timm_pool: pool } } });
  await writeFile(join(timmFolder, "open_clip_config.json"), config(""));
  const { image } = await openEncoder(timmFolder);
  expect(image).toMatchObject({ name: "vit-open-clip-timm", dimension: 12 });
  image.dispose();
  await writeFile(join(timmFolder, "open_clip_config.json"), config("avg"));
  await expect(openEncoder(timmFolder)).rejects.toMatchObject({
    code: "Unsupported",
    message: expect.stringContaining('pools timm\'s tokens by "avg"'),
  });
});
