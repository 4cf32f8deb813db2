// Folders as transformers.js's models have them, beside what the torch models give that they were exported from.
import { copyFile, cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import type { Box, RgbImage } from "@villa/data";
import { bytes, expectAllClose, golden } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import * as onnxruntime from "onnxruntime-node";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { blobFiles, loadImageEncoder, openOnnxModel } from "../src/index.ts";
import { openEncoder, openEncoderFiles, openTextTower } from "../src/node.ts";

interface OnnxCase {
  readonly images?: readonly {
    readonly name: string;
    readonly width: number;
    readonly height: number;
    readonly image: readonly number[];
    /** Of the box 0, 0, 16, 24. */
    readonly region?: readonly number[] | undefined;
  }[];
  readonly texts?: readonly (readonly number[])[];
}

const { json, path } = golden();
const { texts, cases } = json<{ texts: string[]; cases: Record<string, OnnxCase> }>("onnx/cases.json");
const close = { rtol: 1e-4, atol: 1e-5 };
const box: Box = [0, 0, 16, 24];
const pictureOf = ({ name, width, height }: { name: string; width: number; height: number }): RgbImage => ({
  width,
  height,
  channels: 3,
  data: bytes(name, 3 * width * height),
});

let scratch = "";
beforeAll(async () => {
  await testBackends()[0]!.activate();
  scratch = await mkdtemp(join(tmpdir(), "villa-onnx-"));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

const named = Object.entries(cases);

test.each(named.filter(([, { images }]) => images))("%s: pictures and regions", async (name, { images }) => {
  const before = tf.memory().numTensors;
  const ways = images!.some(({ region }) => region) ? (["roi-align", "mask"] as const) : (["crop"] as const);
  for (const regions of ways) {
    const { image, weightsHash } = await openEncoder(path(`onnx/${name}`), { regions, textEncoder: "none" });
    expect(image.name).toMatch(/^onnx-/);
    expect(image.options).toMatchObject({ regions, imageSize: 32 });
    expect(image.tower).toBeUndefined();
    expect(weightsHash).toMatch(/^[0-9a-f]{64}$/);
    const whole = await image.encodeImages(images!.map(pictureOf));
    expectAllClose(whole, images!.flatMap((each) => each.image), close); // biome-ignore format: one thought
    const boxes = images!.map(() => [box]);
    const rows = await image.encodeRegions(images!.map(pictureOf), boxes);
    expect(rows).toHaveLength(images!.length * image.dimension);
    if (regions !== "crop") expectAllClose(rows.subarray(0, image.dimension), images![0]!.region!, close);
    image.dispose();
  }
  expect(tf.memory().numTensors).toBe(before);
});

test.each(named.filter(([, { texts }]) => texts))("%s: texts", async (name, golden) => {
  const text = await openTextTower(path(`onnx/${name}`));
  expectAllClose(await text.encodeText(texts), golden.texts!.flat(), close);
  expect(await text.encodeText([])).toHaveLength(0);
  text.dispose();
});

test("both sides come out of one folder, and of one of its files", async () => {
  const { image, text, textSide } = await openEncoder(path("onnx/siglip"));
  expect(image.dimension).toBe(text!.embedDim);
  expect(textSide).toMatchObject({ family: "onnx-text", source: path("onnx/siglip") });
  image.dispose();
  text!.dispose();

  const folder = join(scratch, "variants");
  await cp(path("onnx/clip"), folder, { recursive: true });
  await copyFile(path("onnx/siglip/onnx/vision_model.onnx"), join(folder, "onnx/vision_model_int8.onnx"));
  const options = { textEncoder: "none" };
  const opened = await Promise.all([
    openEncoder(folder, options),
    openEncoder(join(folder, "onnx/vision_model_int8.onnx"), options),
  ]);
  expect(opened.map(({ image }) => image.options.model)).toEqual([
    "onnx/vision_model.onnx",
    "onnx/vision_model_int8.onnx",
  ]);
  expect(opened[0]!.weightsHash).not.toBe(opened[1]!.weightsHash);
  for (const { image } of opened) image.dispose();
});

test("a runtime and bytes are enough, as in a browser", async () => {
  const files = await openEncoderFiles(path("onnx/dinov2"));
  const { readFile } = await import("node:fs/promises");
  const inMemory = {
    label: "dinov2",
    json: files.json,
    path: () => undefined,
    onnx: {
      names: ["onnx/model.onnx"],
      open: async (name: string) => openOnnxModel(onnxruntime, await readFile(files.path(name)!), { label: name }),
    },
  };
  const image = await loadImageEncoder({ files: inMemory });
  const [square] = cases.dinov2!.images!;
  expectAllClose(await image.encodeImages([pictureOf(square!)]), square!.image, close);
  image.dispose();
});

test("what cannot be done says why", async () => {
  const clip = path("onnx/clip");
  const { image } = await openEncoder(clip, { textEncoder: "none" });
  const regions = image.encodeRegions([pictureOf({ name: "a", width: 32, height: 32 })], [[box]]);
  await expect(regions).rejects.toMatchObject({
    code: "Unsupported",
    message: expect.stringMatching(/not in the space of its vectors \(image_embeds \[1, 12\].*use crop/),
  });
  image.dispose();
  await expect(openEncoder(clip, { trainable: true })).rejects.toMatchObject({
    code: "Unsupported",
    message: expect.stringContaining("cannot be trained"),
  });

  const noPatches = join(scratch, "text-for-vision");
  await cp(clip, noPatches, { recursive: true });
  await copyFile(path("onnx/bert/onnx/model_quantized.onnx"), join(noPatches, "onnx/vision_model.onnx"));
  await expect(openEncoder(noPatches)).rejects.toMatchObject({
    code: "Unsupported",
    message: expect.stringMatching(/takes input_ids \(int64\).*must take one input/),
  });
  await copyFile(path("onnx/clip/config.json"), join(noPatches, "onnx/vision_model.onnx"));
  await expect(openEncoder(noPatches)).rejects.toMatchObject({ code: "InvalidFile" });

  const wrong = join(scratch, "wrong-tokenizer");
  await cp(path("onnx/siglip"), wrong, { recursive: true });
  await copyFile(path("onnx/clip/tokenizer.json"), join(wrong, "tokenizer.json"));
  await expect(openTextTower(wrong)).rejects.toMatchObject({
    code: "Mismatch",
    message: expect.stringMatching(/has 604 tokens but its text tower \d+/),
  });
});

test("a model that gives vectors alone has pictures and crops, and no regions to cut from a map", async () => {
  const { OnnxGraph } = await import("../src/onnx/graph.ts");
  const graph = new OnnxGraph();
  const pixels = graph.input("pixel_values", "float32", ["batch", 3, 8, 8]);
  graph.node("ReduceMean", [pixels], { axes: [2, 3], keepdims: 0 }, "image_embeds");
  graph.output("image_embeds", "float32", ["batch", 3]);
  const model = await openOnnxModel(onnxruntime, graph.finish("means"), { label: "means.onnx" });
  const files = {
    label: "means",
    json: async () => undefined,
    path: () => undefined,
    onnx: { names: ["onnx/vision_model.onnx"], open: async () => model },
  };
  const image = await loadImageEncoder({ files });
  const picture = pictureOf({ name: "a", width: 8, height: 8 });
  expect(await image.encodeImages([picture])).toHaveLength(3);
  await expect(image.encodeRegions([picture], [[[0, 0, 4, 4]]])).rejects.toMatchObject({
    code: "Unsupported",
    message: expect.stringMatching(/gives no patch tokens.*only image_embeds \[1, 3\]; use crop/),
  });
  image.dispose();
});

describe("a backend whose graphs run on a provider", () => {
  const open = onnxruntime.InferenceSession.create.bind(onnxruntime.InferenceSession) as (
    path: string,
    options?: onnxruntime.InferenceSession.SessionOptions,
  ) => Promise<onnxruntime.InferenceSession>;
  const providers: unknown[] = [];
  afterEach(() => {
    vi.restoreAllMocks();
    for (const member of ["compileGraph", "graphProvider"]) Reflect.deleteProperty(tf.backend(), member);
  });

  /** Opens DINOv2's folder while the backend says "cuda", which `load` stands for. */
  async function featuresOn(load: (path: string) => Promise<onnxruntime.InferenceSession>): Promise<Float32Array> {
    const backend = Object.assign(tf.backend(), { compileGraph: () => {} });
    Object.defineProperty(backend, "graphProvider", { value: "cuda", configurable: true });
    const create = vi.spyOn(onnxruntime.InferenceSession, "create");
    providers.length = 0;
    create.mockImplementation(((path: string, options?: onnxruntime.InferenceSession.SessionOptions) => {
      providers.push(options?.executionProviders);
      return options?.executionProviders ? load(path) : open(path);
    }) as never);
    const { image } = await openEncoder(path("onnx/dinov2"), { textEncoder: "none" });
    const features = await image.encodeImages([pictureOf(cases.dinov2!.images![0]!)]);
    image.dispose();
    return features;
  }

  test("has it open the models of a folder too", async () => {
    expectAllClose(await featuresOn(open), cases.dinov2!.images![0]!.image, close);
    expect(providers).toEqual([["cuda", "cpu"]]);
  });

  test("which does not load one gives way to the CPU, with a warning", async () => {
    const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    const features = featuresOn(() => Promise.reject(new Error("CUDA failure 2: out of memory\n  at somewhere")));
    expectAllClose(await features, cases.dinov2!.images![0]!.image, close);
    expect(providers).toEqual([["cuda", "cpu"], undefined]);
    expect(warn.mock.calls[0]![0]).toMatch(
      /model\.onnx runs on the CPU, not on ONNX Runtime's provider "cuda": .*out of memory/,
    );
  });
});

test("weights beside a model in memory are handed to the runtime, which is loaded when the first is opened", async () => {
  const create = vi.fn(async () => ({ inputMetadata: [], outputMetadata: [] }));
  const runtime = { InferenceSession: { create }, Tensor: onnxruntime.Tensor };
  const load = vi.fn(async () => runtime as never);
  const blob = (...values: number[]) => new Blob([Uint8Array.from(values)]);
  const blobs = new Map([
    ["big/onnx/vision_model.onnx", blob(1, 2)],
    ["big/onnx/vision_model.onnx_data", blob(3, 4, 5)],
  ]);
  const { onnx } = await blobFiles(blobs, { onnx: load });
  expect(onnx!.names).toEqual(["onnx/vision_model.onnx"]);
  expect(load).not.toHaveBeenCalled();
  await onnx!.open("onnx/vision_model.onnx");
  expect(create.mock.calls).toEqual([
    [Uint8Array.of(1, 2), { externalData: [{ path: "vision_model.onnx_data", data: Uint8Array.of(3, 4, 5) }] }],
  ]);
});

test("a model whose weights are in a file beside it loads with that file, and names it where it is not there", async () => {
  const model = path("onnx/external/vision_model.onnx");
  (await openOnnxModel(onnxruntime, model, { label: "vision_model.onnx" })).dispose();
  const alone = openOnnxModel(onnxruntime, await readFile(model), { label: "vision_model.onnx" });
  await expect(alone).rejects.toMatchObject({
    code: "NotFound",
    message: "vision_model.onnx keeps its weights in vision_model.onnx_data, which is not beside it.",
  });
});
