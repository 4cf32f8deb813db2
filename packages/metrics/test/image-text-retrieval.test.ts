import { isVillaError } from "@villa/data";
import fc from "fast-check";
import { expect, test } from "vitest";
import { imageTextRetrieval } from "../src/index.ts";
import { mean, naiveHit } from "./rankings.ts";

const problems = fc
  .record({ images: fc.integer({ min: 1, max: 5 }), texts: fc.integer({ min: 1, max: 6 }) })
  .chain(({ images, texts }) =>
    fc.record({
      images: fc.constant(images),
      imageOf: fc.array(fc.integer({ min: 0, max: images - 1 }), { minLength: texts, maxLength: texts }),
      scores: fc
        .array(fc.integer({ min: 0, max: 2 }), { minLength: images * texts, maxLength: images * texts })
        .map((values) => Float32Array.from(values)),
    }),
  );

test("equals all orders of ties, spelled out, in any block size", async () => {
  await fc.assert(
    fc.asyncProperty(problems, fc.integer({ min: 1, max: 6 }), async ({ images, imageOf, scores }, blockSize) => {
      const texts = imageOf.length;
      const block = (first: number, count: number) => scores.subarray(first * texts, (first + count) * texts);
      const { imageToText, textToImage } = await imageTextRetrieval({
        images,
        imageOf,
        scores: block,
        blockSize,
        ks: [1, 2],
      });
      const described = Array.from({ length: images }, (_, i) => i).filter((i) => imageOf.includes(i));
      for (const [j, k] of [1, 2].entries()) {
        const forImages = described.map((i) =>
          naiveHit(
            Array.from(block(i, 1)),
            imageOf.map((image) => image === i),
            k,
          ),
        );
        const forTexts = imageOf.map((own, t) =>
          naiveHit(
            Array.from({ length: images }, (_, i) => scores[i * texts + t]!),
            Array.from({ length: images }, (_, i) => i === own),
            k,
          ),
        );
        expect(imageToText.recall[j]!.recall).toBeCloseTo(mean(forImages), 12);
        expect(textToImage.recall[j]!.recall).toBeCloseTo(mean(forTexts), 12);
      }
      expect([imageToText.queries, textToImage.queries]).toEqual([described.length, texts]);
    }),
  );
});

test.each([
  ["InvalidArgument", { images: 1, imageOf: [1], scores: Float32Array.of(1) }],
  ["Mismatch", { images: 2, imageOf: [1], scores: Float32Array.of(1) }],
  ["NotFinite", { images: 1, imageOf: [0], scores: Float32Array.of(Number.NaN) }],
] as const)("refuses what makes no sense: %s", async (code, input) => {
  await expect(imageTextRetrieval(input)).rejects.toSatisfy((error) => isVillaError(error, code));
});
