import * as tf from "@tensorflow/tfjs-core";
import { plainCpuBackend } from "@villa/core";
import { type Box, docMnistVocabulary, type RgbImage } from "@villa/data";
import { bytes, expectAllClose, unit } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import { namedStateDict } from "@villa/testing/clip-weights";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  attributeEmbeddings,
  type ClipModel,
  clipEncoder,
  groupRegions,
  initModifiedResNet,
  loadClip,
  pixelsEncoder,
} from "../src/index.ts";
import { cropRegion } from "../src/regions/crop-region.ts";
import { wordHashEmbeddings } from "../src/word-hash.ts";

const image = (name: string, width = 84, height = 84): RgbImage => ({
  width,
  height,
  channels: 3,
  data: bytes(name, 3 * width * height),
});
const boxes: Box[][] = [
  [
    [0, 0, 28, 28],
    [10, 20, 70, 50],
  ],
  [],
  [[5, 5, 33, 33]],
];
const images = [image("a"), image("b"), image("c", 60, 50)];

describe.each(testBackends())("pixels encoder on $name", ({ activate }) => {
  beforeAll(() => activate());

  test("gives the same on every backend, and leaves nothing behind", async () => {
    const before = tf.memory().numTensors;
    const encoder = pixelsEncoder({ dimension: 64, seed: 5 });
    const values = await encoder.encodeRegions(images, boxes);
    expect(values).toHaveLength(3 * 64);
    expect(tf.memory().numTensors).toBeLessThanOrEqual(before + 1);
    encoder.dispose();
    expect(tf.memory().numTensors).toBe(before);

    await plainCpuBackend().activate();
    const plain = pixelsEncoder({ dimension: 64, seed: 5 });
    expectAllClose(values, await plain.encodeRegions(images, boxes), { rtol: 1e-4, atol: 1e-5 });
    const other = pixelsEncoder({ dimension: 64, seed: 6 });
    expect(await other.encodeRegions(images, boxes)).not.toEqual(values);
    await activate();
  });
});

describe("word vectors", () => {
  test("have length 1, ignore order and case, and know equal words", () => {
    const rows = wordHashEmbeddings(["the color is red", "Red, is the COLOR", "the color is blue", ""], {
      dimension: 128,
      seed: 23,
    });
    const dot = (a: number, b: number) =>
      rows.subarray(a * 128, (a + 1) * 128).reduce((sum, v, i) => sum + v * rows[b * 128 + i]!, 0);
    for (const row of [0, 2, 3]) expect(dot(row, row)).toBeCloseTo(1, 5);
    expect(dot(0, 1)).toBeCloseTo(1, 5);
    expect(dot(0, 2)).toBeGreaterThan(0.3);
    expect(dot(0, 2)).toBeLessThan(0.9);
    expect(Math.abs(dot(0, 3))).toBeLessThan(0.4);
  });

  test("attributes come out as unit vectors in the vocabulary's order", async () => {
    const embeddings = await attributeEmbeddings(pixelsEncoder({ dimension: 256 }), docMnistVocabulary);
    expect([...embeddings.keys()].slice(-6)).toEqual(["purple", "rectangle", "circle", "small", "medium", "large"]);
    const red = embeddings.get("red")!;
    expect(Math.hypot(...red)).toBeCloseTo(1, 5);
    const cosine = (other: string) => embeddings.get(other)!.reduce((sum, value, i) => sum + value * red[i]!, 0);
    expect(cosine("blue")).toBeLessThan(0.9);
    expect(cosine("blue")).toBeGreaterThan(cosine("seven"));
  });
});

describe("cropping", () => {
  test("keeps a region of the exact size, in both layouts, like the general way does", () => {
    const source = image("crop", 60, 50);
    const [chw, hwc, general] = [new Float32Array(2352), new Float32Array(2352), new Float32Array(2352)];
    cropRegion(source, [5, 7, 33, 35], { side: 28, layout: "CHW", out: chw });
    cropRegion(source, [5, 7, 33, 35], { side: 28, layout: "HWC", out: hwc });
    cropRegion(source, [5, 7, 33, 35.0000001], { side: 28, layout: "CHW", out: general });
    expect(chw[28 * 28 + 3 * 28 + 4]).toBe(Math.fround(source.data[60 * 50 + 10 * 60 + 9]! / 255));
    expect(hwc[(3 * 28 + 4) * 3 + 1]).toBe(chw[28 * 28 + 3 * 28 + 4]);
    expectAllClose(general, chw, { atol: 1e-4 });
  });

  test("averages what is larger and spreads what is smaller", () => {
    const flat: RgbImage = { width: 50, height: 90, channels: 3, data: new Uint8Array(3 * 50 * 90).fill(51) };
    for (const box of [
      [0, 0, 50, 90],
      [3, 3, 5, 6],
    ] as const) {
      const out = new Float32Array(3 * 28 * 28);
      cropRegion(flat, box, { side: 28, layout: "CHW", out });
      expectAllClose(out, new Float32Array(out.length).fill(0.2), { atol: 1e-6 });
    }
  });
});

describe("CLIP encoder", () => {
  const vision = { layers: [1, 1, 1, 1] as const, width: 4, embedDim: 8, heads: 2, gridSize: 7 };
  let model: ClipModel;
  beforeAll(async () => {
    await testBackends()[0]!.activate();
    const text = { contextLength: 77, vocabularySize: 49_408, width: 8, heads: 2, layers: 1, embedDim: 8 };
    model = loadClip(namedStateDict("encoder", { vision, text }), { textHeads: 2 });
  });
  afterAll(() => model.dispose());

  test("gives a region the same vector in any batch, next to images of any size", async () => {
    const before = tf.memory().numTensors;
    const whole = await clipEncoder(model).encodeRegions(images, boxes);
    const cached = tf.memory().numTensors; // the folded weights
    const small = clipEncoder(model, { pixelsPerBatch: 1, regionsPerBatch: 1 });
    expectAllClose(await small.encodeRegions(images, boxes), whole, { rtol: 1e-4, atol: 1e-5 });
    const direct = model.encodeRegions(
      tf.tidy(() => tf.div(tf.transpose(tf.tensor4d(images[2]!.data, [1, 3, 50, 60], "float32"), [0, 2, 3, 1]), 255)),
      groupRegions([boxes[2]!], 60),
    );
    expectAllClose(whole.subarray(16), await direct.data(), { rtol: 1e-4, atol: 1e-5 });
    direct.dispose();
    expect(tf.memory().numTensors).toBe(cached + 1);
    expect(cached).toBeGreaterThan(before);
    expect(await clipEncoder(model).encodeRegions([images[1]!], [[]])).toHaveLength(0);
    await expect(clipEncoder(model).encodeRegions(images, [])).rejects.toMatchObject({ code: "InvalidArgument" });
  });

  test("crops are encoded as images of their own, with CLIP's mean and deviation", async () => {
    const encoder = clipEncoder(model, { regions: "crop", regionsPerBatch: 10 });
    expect(encoder.options).toMatchObject({ regions: "crop" });
    const values = await encoder.encodeRegions(images, boxes);
    const crop = new Float32Array(224 * 224 * 3);
    cropRegion(images[2]!, [5, 5, 33, 33], { side: 224, layout: "HWC", out: crop });
    const mean = [0.48145466, 0.4578275, 0.40821073];
    const deviation = [0.26862954, 0.26130258, 0.27577711];
    const expected = model.encodeImage(
      tf.tensor4d(
        crop.map((value, i) => (value - mean[i % 3]!) / deviation[i % 3]!),
        [1, 224, 224, 3],
      ),
    );
    expectAllClose(values.subarray(16), await expected.data(), { rtol: 1e-3, atol: 1e-4 });
  });

  test("text in batches", async () => {
    const texts = Array.from({ length: 70 }, (_, i) => `number ${i}`);
    const rows = await clipEncoder(model).encodeText(texts);
    expect(rows).toHaveLength(70 * 8);
    expectAllClose(await clipEncoder(model).encodeText([texts[69]!]), rows.subarray(69 * 8), {
      rtol: 1e-4,
      atol: 1e-5,
    });
    expect(await clipEncoder(model).encodeText([])).toHaveLength(0);
  });

  test("other CLIP ResNets have a larger grid", async () => {
    const larger = { ...vision, gridSize: 9 };
    const wide = loadClip(namedStateDict("wide", { vision: larger }));
    expect(wide.config.vision).toEqual(larger);
    const values = await clipEncoder(wide).encodeRegions(images, boxes);
    expect(values).toHaveLength(3 * 8);
    wide.dispose();
  });

  test("refuses what cannot be encoded", async () => {
    for (const [width, height] of [
      [3000, 2000],
      [12, 84],
    ] as const) {
      const refused = clipEncoder(model).encodeRegions([{ width, height, channels: 3, data: new Uint8Array(0) }], [[]]);
      await expect(refused).rejects.toThrow(`${width} × ${height}`);
    }
    expect(() => model.encodeImage(tf.zeros([1, 84, 84, 3]))).toThrow(/224 × 224/);
    expect(() => model.text.encode([[1, 2, 3]])).toThrow(/no end token/);
    expect(() => model.text.encode([[60_000, 49_407]])).toThrow(/60000/);
    const features = tf.zeros([1, 5, 5, 64]) as tf.Tensor4D;
    for (const regions of [
      { boxes: [0, 0, 1], imageIndex: [0], imageWidth: 84 },
      { boxes: [0, 0, 1, 1], imageIndex: [1], imageWidth: 84 },
      { boxes: [0, 0, 1, Number.NaN], imageIndex: [0], imageWidth: 84 },
      { boxes: [0, 0, 1, 1], imageIndex: [0], imageWidth: 0 },
    ]) {
      expect(() => model.visual.regionEmbeddings(features, regions)).toThrow(
        expect.objectContaining({ code: "InvalidArgument" }),
      );
    }
  });
});

describe("random initialisation and training mode", () => {
  beforeAll(() => testBackends()[0]!.activate());
  const options = { layers: [1, 1, 1, 1], width: 4, embedDim: 8, seed: 3 } as const;

  test("is torch's, and decided by the seed", async () => {
    const [one, same, other] = [
      initModifiedResNet(options),
      initModifiedResNet(options),
      initModifiedResNet({ ...options, seed: 4 }),
    ];
    const values = (model: typeof one, name: string) => model.parameters.get(name)!.dataSync();
    const name = "visual.layer2.0.conv2.weight";
    expect(values(one, name)).toEqual(values(same, name));
    expect(values(one, name)).not.toEqual(values(other, name));
    const bound = (8 * 9) ** -0.5;
    const weights = values(one, name);
    expect(Math.max(...weights)).toBeLessThanOrEqual(bound);
    expect(Math.max(...weights)).toBeGreaterThan(0.9 * bound);
    expect(values(one, "visual.layer3.0.bn3.weight")[0]).toBe(1);
    const clip = initModifiedResNet({ ...options, scheme: "clip" });
    expect(values(clip, "visual.layer3.0.bn3.weight")[0]).toBe(0);
    for (const model of [one, same, other, clip]) model.dispose();
    expect(() => initModifiedResNet({ ...options, width: 3 })).toThrow(/even width/);
  });

  test("evaluation follows weights that training changed", async () => {
    const before = tf.memory().numTensors;
    const model = initModifiedResNet(options);
    const batch = tf.tensor4d(Float32Array.from(unit("batch", 2 * 84 * 84 * 3)), [2, 84, 84, 3]);
    const regions = groupRegions([[[0, 0, 28, 28]], [[10, 10, 80, 80]]], 84);
    const run = async (training: boolean) => {
      const features = model.features(batch, { training });
      const rows = model.regionEmbeddings(features, regions, { training });
      const values = (await rows.data()).slice();
      tf.dispose([features, rows]);
      return values;
    };
    const first = await run(false);
    expect(await run(false)).toEqual(first);
    await run(true); // moves the running statistics
    const second = await run(false);
    expect(second).not.toEqual(first);
    const bias = model.trainableVariables().get("visual.attnpool.c_proj.bias")!;
    tf.tidy(() => bias.assign(tf.add(bias, 1)));
    expectAllClose(
      await run(false),
      second.map((value) => value + 1),
      { rtol: 1e-4, atol: 1e-4 },
    );

    const { grads, value } = tf.variableGrads(() => {
      const features = model.features(batch, { training: true, updateStatistics: false });
      return tf.sum(
        model.regionEmbeddings(features, regions, { training: true, updateStatistics: false }),
      ) as tf.Scalar;
    }, [...model.trainableVariables().values()]);
    expect(Object.keys(grads)).toHaveLength(model.trainableVariables().size);
    expect([...model.parameters.keys()].some((name) => name.includes("running_mean"))).toBe(true);
    expect([...model.trainableVariables().keys()].some((name) => name.includes("running"))).toBe(false);
    tf.dispose([grads, value, batch]);
    model.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});
