import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { type Box, type RgbImage, type TensorData, writeSafetensors } from "@villa/data";
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
