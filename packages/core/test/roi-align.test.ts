import * as tf from "@tensorflow/tfjs-core";
import { expectAllClose, tensorValues } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { prepareRoiAlign, roiAlign } from "../src/index.ts";
import { toleranceOf } from "./tolerance.ts";

interface Options {
  outputSize: number;
  spatialScale: number;
  samplingRatio: number;
  aligned: boolean;
}

/** torchvision's loop, one sample at a time. features [H, W, C]; box in image pixels. */
function naiveRoiAlign(features: Float32Array, [height, width, channels]: number[], box: number[], options: Options) {
  const { outputSize, spatialScale, samplingRatio, aligned } = options;
  const f = Math.fround;
  const [x0, y0, x1, y1] = box.map((side) => f(f(f(side) * f(spatialScale)) - (aligned ? 0.5 : 0))) as number[];
  const extent = (low: number, high: number) => (aligned ? f(high - low) : Math.max(f(high - low), 1));
  const [binH, binW] = [f(extent(y0!, y1!) / outputSize), f(extent(x0!, x1!) / outputSize)];
  const [gridH, gridW] = samplingRatio > 0 ? [samplingRatio, samplingRatio] : [Math.ceil(binH), Math.ceil(binW)];
  const out = new Float64Array(outputSize * outputSize * channels!);
  const read = (y: number, x: number, c: number) => {
    if (y < -1 || y > height! || x < -1 || x > width!) return 0;
    const axis = (at: number, length: number) => {
      const clamped = Math.max(at, 0);
      const low = Math.min(Math.floor(clamped), length - 1);
      return { low, high: Math.min(low + 1, length - 1), part: low >= length - 1 ? 0 : clamped - low };
    };
    const [v, h] = [axis(y, height!), axis(x, width!)];
    const at = (i: number, j: number) => features[(i * width! + j) * channels! + c]!;
    return (
      (1 - v.part) * ((1 - h.part) * at(v.low, h.low) + h.part * at(v.low, h.high)) +
      v.part * ((1 - h.part) * at(v.high, h.low) + h.part * at(v.high, h.high))
    );
  };
  for (let p = 0; p < outputSize; p++)
    for (let q = 0; q < outputSize; q++)
      for (let c = 0; c < channels!; c++)
        for (let i = 0; i < gridH!; i++)
          for (let j = 0; j < gridW!; j++) {
            const y = f(f(y0! + f(p * binH)) + f(f(f(i + 0.5) * binH) / gridH!));
            const x = f(f(x0! + f(q * binW)) + f(f(f(j + 0.5) * binW) / gridW!));
            out[(p * outputSize + q) * channels! + c]! += read(y, x, c) / Math.max(gridH! * gridW!, 1);
          }
  return out;
}

const coordinate = fc.double({ min: -40, max: 140, noNaN: true });
const problem = fc.record({
  // Maps above 16×16 take the separable path.
  size: fc.constantFrom([5, 5], [3, 7], [1, 1], [19, 17]),
  regions: fc.array(fc.record({ box: fc.array(coordinate, { minLength: 4, maxLength: 4 }), image: fc.nat(2) }), {
    maxLength: 6,
  }),
  outputSize: fc.integer({ min: 1, max: 5 }),
  spatialScale: fc.constantFrom(1, 0.25, 5 / 84),
  samplingRatio: fc.constantFrom(0, 0, 2),
  aligned: fc.boolean(),
});

describe.each(testBackends())("roiAlign on $name", ({ name, activate }) => {
  beforeAll(activate);

  it("equals torchvision's loop for any boxes, in any order, and its gradient is the transposed map", async () => {
    await fc.assert(
      fc.asyncProperty(problem, async ({ size, regions, ...options }) => {
        const shape: [number, number, number, number] = [3, size[0]!, size[1]!, 2];
        const values = tensorValues("roi-align", shape);
        const boxes = regions.flatMap(({ box }) => box);
        const images = regions.map(({ image }) => image);
        const before = tf.memory().numTensors;
        const align = (x: tf.Tensor) => roiAlign(x as tf.Tensor4D, boxes, images, options);
        const features = tf.tensor4d(values, shape);
        const output = align(features);
        expect(output.shape).toEqual([regions.length, options.outputSize, options.outputSize, 2]);
        const perImage = size[0]! * size[1]! * 2;
        const expected = regions.flatMap(({ box, image }) => {
          const map = values.subarray(image * perImage, (image + 1) * perImage);
          return [...naiveRoiAlign(map, [...size, 2], box, options)];
        });
        expectAllClose(await output.data(), expected, { ...toleranceOf(name), label: "roiAlign" });
        if (regions.length > 0) {
          // ⟨A x, w⟩ = ⟨x, Aᵀ w⟩
          const weights = tf.tensor4d(tensorValues("roi-align:w", output.shape), output.shape);
          const gradient = tf.grad(align)(features, weights);
          const [left, right] = tf.tidy(() => [tf.sum(tf.mul(output, weights)), tf.sum(tf.mul(features, gradient))]);
          expectAllClose(await left!.data(), await right!.data(), { rtol: 1e-4, atol: 1e-4, label: "adjoint" });
          tf.dispose([weights, gradient, left!, right!]);
        }
        tf.dispose([features, output]);
        expect(tf.memory().numTensors).toBe(before);
      }),
      { numRuns: 40, seed: 23 },
    );
  });

  it("pools bins in the same product, for several maps at once", async () => {
    for (const side of [6, 20]) {
      const images = [1, 0, 1];
      const boxes = [0, 0, 28, 28, -5, 3, 90, 60, 30, 30, 84, 84];
      const options = { outputSize: 6, spatialScale: side / 84 };
      const prepared = prepareRoiAlign(boxes, images, [2, side, side], { ...options, pool: 2 });
      for (const channels of [2, 5]) {
        const shape: [number, number, number, number] = [2, side, side, channels];
        const features = tf.tensor4d(tensorValues("roi-align:pool", shape), shape);
        const pooled = prepared(features);
        const expected = tf.tidy(() => tf.avgPool(roiAlign(features, boxes, images, options), 2, 2, "valid"));
        expect(pooled.shape).toEqual([3, 3, 3, channels]);
        expectAllClose(await pooled.data(), await expected.data(), toleranceOf(name));
        tf.dispose([features, pooled, expected]);
      }
    }
    expect(() => prepareRoiAlign([], [], [1, 2, 2], { spatialScale: 1, pool: 4 })).toThrow("does not divide");
  });

  it("refuses boxes and images that do not fit", () => {
    const features = tf.zeros([2, 3, 3, 1]) as tf.Tensor4D;
    expect(() => roiAlign(features, [0, 0, 1], [0], { spatialScale: 1 })).toThrow("needs 4");
    expect(() => roiAlign(features, [0, 0, 1, 1], [2], { spatialScale: 1 })).toThrow("batch of 2");
    features.dispose();
  });
});
