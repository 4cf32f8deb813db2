import * as tf from "@tensorflow/tfjs-core";
import { encodeRle, formatRleString, type RgbImage, rleArea } from "@villa/data";
import { type ImageTower, plainInput, type Regions } from "@villa/encoders";
import { bytes, expectAllClose } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import { beforeAll, expect, test } from "vitest";
import { contrastiveBatch, disposeBatch } from "../src/batch.ts";
import { embedSplit } from "../src/evaluate.ts";
import { contrastiveObjective } from "../src/objective.ts";
import { imagePairs } from "../src/pairs.ts";
import { embedRegions } from "../src/region-encoder.ts";
import { contrastiveGradients } from "../src/step.ts";

const side = 16;
const size = { width: side, height: side };

/** A mask of the image's first pixels, row by row. */
const firstPixels = (count: number) =>
  encodeRle(
    Uint8Array.from({ length: side * side }, (_, i) => Number(i < count)),
    size,
  );

/** Images with a region that has a mask and one that is its box. */
const rows = [10, 40, 90].map((area, i) => ({
  imageId: i,
  imageSize: [side, side] as const,
  regionCoord: [
    [0, 0, 8, 8],
    [2, 4, 12, 14],
  ] as const,
  regionMasks: [formatRleString(firstPixels(area)), null],
  text: "a red thing. a blue thing.",
  assignedText: ["a red thing", "a blue thing"],
  regToAttr: [["red"], ["blue"]],
}));
const pictures = rows.map(
  ({ imageId }): RgbImage => ({ ...size, channels: 3, data: bytes(`masks:${imageId}`, 3 * side * side) }),
);

test("pairs come with masks where they are asked for; the whole image is its box", () => {
  const boxes = imagePairs(rows[1]!, "mapping");
  expect(boxes.masks).toBeUndefined();
  const { masks, boxes: own } = imagePairs(rows[1]!, "mapping", { regions: "mask" });
  expect(own).toEqual(boxes.boxes);
  expect(masks!.map((mask) => mask && rleArea(mask))).toEqual([40, null, null]);
  // What has no text is left out of all lists alike.
  const second = { ...rows[1]!, assignedText: ["", "a blue thing"] };
  expect(imagePairs(second, "mapping", { regions: "mask" }).masks).toEqual([null, null]);
  const bare = { ...rows[1]!, regionMasks: undefined };
  expect(imagePairs(bare, "mapping", { regions: "mask" }).masks).toEqual([null, null, null]);
});

beforeAll(() => testBackends()[0]!.activate());

test("a step embeds masks, in chunks as in one piece; embeddings afterwards are the same", async () => {
  const weights = tf.variable(tf.tensor2d([0.3, -0.2, 0.5, 0.4, 0.1, -0.6], [2, 3]));
  const tower = fakeTower(weights);
  const { maskEmbeddings: _, ...withoutPatches } = tower;
  const batch = contrastiveBatch(
    pictures,
    rows.map((row) => imagePairs(row, "mapping", { regions: "mask" })),
    { embedText: (sentences) => Float32Array.from(sentences.flatMap((_, i) => [Math.cos(i), Math.sin(i), 0])) },
  );
  const options = {
    objective: contrastiveObjective({ temperature: 0.07 }),
    parameters: new Map([["weights", weights]]),
  };
  const whole = await contrastiveGradients(tower, batch, { ...options, microBatch: 0 });
  const parts = await contrastiveGradients(tower, batch, { ...options, microBatch: 2 });
  expect(parts.loss).toBeCloseTo(whole.loss, 5);
  expectAllClose(await parts.gradients.weights!.data(), await whole.gradients.weights!.data(), {
    rtol: 1e-4,
    atol: 1e-6,
  });
  const trained = (await embedRegions(tower, batch.groups).array()).filter((_, i) => i % 3 !== 2);
  const load = async ({ imageId }: { imageId: number }) => pictures[imageId]!;
  const embedded = await embedSplit(tower, rows, { load, regions: "mask" });
  expectAllClose(embedded, trained.flat(), { rtol: 1e-5, atol: 1e-6 });
  await expect(embedSplit(withoutPatches, rows, { load, regions: "mask" })).rejects.toThrow("no patch tokens");
  await expect(embedSplit(tower, rows, { load })).rejects.toThrow("boxes were embedded");
  disposeBatch(batch);
});

/** Embeds a region by the area of its mask, 100 for one without, times the weights; refuses to embed boxes. */
function fakeTower(weights: tf.Variable): ImageTower {
  const unused = () => {
    throw new Error("boxes were embedded");
  };
  return {
    description: { family: "fake", config: {} },
    embedDim: 3,
    input: plainInput,
    parameters: new Map([["weights", weights]]),
    trainableVariables: () => new Map([["weights", weights]]),
    features: (images) => tf.clone(images),
    regionEmbeddings: unused,
    maskEmbeddings: (_, { masks }: Regions) => {
      const areas = masks!.map((mask) => [(mask ? rleArea(mask.rle) : 100) / 100, 1]);
      return tf.matMul(tf.tensor2d(areas, [areas.length, 2]), weights as unknown as tf.Tensor2D) as tf.Tensor2D;
    },
    imageEmbeddings: unused,
    stateDict: unused,
    refresh: () => {},
    dispose: () => {},
  };
}
