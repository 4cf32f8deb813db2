import * as tf from "@tensorflow/tfjs-core";
import type { Checkpoint, CheckpointStore } from "@villa/core";
import { type Box, isVillaError, RandomState } from "@villa/data";
import { initModifiedResNet, type PictureInput } from "@villa/encoders";
import { bytes } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import { beforeAll, expect, test } from "vitest";
import { contrastiveBatch } from "../src/batch.ts";
import { embedSplit, regionLabels } from "../src/evaluate.ts";
import { imagePairs } from "../src/pairs.ts";
import { SentenceEmbeddings } from "../src/text-embeddings.ts";
import { type ContrastiveData, trainContrastive } from "../src/train.ts";

const side = 32;
const colours = ["red", "green", "blue"];

/** Noise with one bright channel in the left half and another in the right one: two regions an image. */
const samples = Array.from({ length: 12 }, (_, i) => {
  const random = new RandomState(i);
  const own = [random.choice(3), random.choice(3)];
  const data = bytes(`train:${i}`, 3 * side * side).map((value) => value / 8);
  own.forEach((channel, half) => {
    for (let y = 0; y < side; y++)
      for (let x = 0; x < side / 2; x++) data[(channel * side + y) * side + half * (side / 2) + x] = 255;
  });
  const names = own.map((channel) => colours[channel]!);
  return {
    imageId: i,
    imageSize: [side, side] as [number, number],
    regionCoord: [
      [0, 0, side / 2, side],
      [side / 2, 0, side, side],
    ] as Box[],
    text: names.map((name) => `the color is ${name}`).join(" . "),
    regToAttr: names.map((name) => [name]),
    image: { width: side, height: side, data },
  };
});

const encode = async (sentences: readonly string[]) =>
  Float32Array.from(sentences.flatMap((sentence) => colours.map((name) => (sentence.includes(name) ? 1 : 0.1))));

async function data(input?: PictureInput): Promise<ContrastiveData> {
  const embeddings = new SentenceEmbeddings(encode, colours.length);
  const pairs = samples.map((sample) => imagePairs(sample, "oracle"));
  await embeddings.prepare(pairs.flatMap(({ sentences }) => sentences.flat()));
  return {
    length: samples.length,
    batch: async (indices, augment = (picture) => picture) => {
      const own = Array.from(indices, (i) => pairs[i]!);
      const pictures = Array.from(indices, (i) => augment({ image: samples[i]!.image, boxes: pairs[i]!.boxes }));
      return contrastiveBatch(
        pictures.map(({ image }) => image),
        own.map(({ sentences }, i) => ({ sentences, boxes: pictures[i]!.boxes })),
        { embedText: (sentences) => embeddings.embed(sentences), input },
      );
    },
  };
}

const newTower = () =>
  initModifiedResNet({ layers: [1, 1, 1, 1], width: 2, embedDim: colours.length, seed: 3, heads: 1 });
const settings = { learningRate: 5e-3, weightDecay: 0, batchSize: 6, microBatch: 0, seed: 1 };

// The first one is the fastest; what a backend computes is checked elsewhere.
beforeAll(() => testBackends()[0]!.activate());

/** Keeps checkpoints in memory. */
function memoryStore(): CheckpointStore {
  let last: Checkpoint | undefined;
  return {
    saveLast: async (checkpoint) => {
      last = checkpoint;
    },
    markBest: async () => {},
    loadLast: async () => last,
  };
}

const recipes = [
  { name: "maps of whole images", cropSide: undefined, augment: {} },
  { name: "crops that vary", cropSide: 16, augment: { flip: true, shift: 0.2, light: 0.3 } },
];

test.each(recipes)(
  "$name: learns, leaks nothing, and a resumed run equals an uninterrupted one bit for bit",
  async ({ cropSide, augment }) => {
    const newTower = () =>
      initModifiedResNet({ layers: [1, 1, 1, 1], width: 2, embedDim: colours.length, seed: 3, heads: 1, cropSide });
    const settings = { learningRate: 5e-3, weightDecay: 0, batchSize: 6, microBatch: 0, seed: 1, augment };
    const whole = newTower();
    const train = await data(whole.input);
    const before = tf.memory().numTensors;
    const { history } = await trainContrastive(whole, { train }, { ...settings, epochs: 3 });
    expect(tf.memory().numTensors).toBe(before);
    expect(history.at(-1)!.loss).toBeLessThan(history[0]!.loss);

    const checkpoints = memoryStore();
    const interrupted = newTower();
    await trainContrastive(interrupted, { train }, { ...settings, epochs: 1, checkpoints });
    const resumed = newTower();
    await trainContrastive(resumed, { train }, { ...settings, epochs: 3, checkpoints, resume: true });
    for (const [name, tensor] of whole.parameters) {
      expect(resumed.parameters.get(name)!.dataSync(), name).toEqual(tensor.dataSync());
    }

    const regions = await embedSplit(whole, samples, { load: async ({ image }) => image, batchSize: 5 });
    expect(regions.length).toBe(24 * 3);
    expect([...regionLabels(samples, colours).subarray(0, 3)].reduce((a, b) => a + b)).toBe(1);
    for (const tower of [whole, interrupted, resumed]) tower.dispose();
  },
);

test("an abort stops with a sentence; bad settings and a diverging loss are refused", async () => {
  const train = await data();
  const code = async (options: object) => {
    const tower = newTower();
    try {
      await trainContrastive(tower, { train }, { ...settings, epochs: 1, ...options });
      return "none";
    } catch (error) {
      return isVillaError(error) ? error.code : String(error);
    } finally {
      tower.dispose();
    }
  };
  expect(await code({ signal: AbortSignal.abort() })).toBe("Aborted");
  expect(await code({ batchSize: 0 })).toBe("InvalidArgument");
  expect(await code({ temperature: 1e-40 })).toBe("NotFinite");
});
