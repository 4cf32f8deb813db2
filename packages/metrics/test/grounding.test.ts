import { type Box, isVillaError } from "@villa/data";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { boxIou, contrastToNoise, phraseGrounding, pointingGame } from "../src/index.ts";
import { mean, naiveHit } from "./rankings.ts";

const coordinate = fc.integer({ min: 0, max: 6 });
const boxes = fc
  .tuple(coordinate, coordinate, coordinate, coordinate)
  .map(([a, b, c, d]): Box => [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)]);

/** Overlap by counting unit squares. */
function countedIou(a: Box, b: Box): number {
  let [common, either] = [0, 0];
  for (let x = 0; x < 6; x++) {
    for (let y = 0; y < 6; y++) {
      const within = ([x0, y0, x1, y1]: Box) => x >= x0 && x < x1 && y >= y0 && y < y1;
      if (within(a) && within(b)) common++;
      if (within(a) || within(b)) either++;
    }
  }
  return either === 0 ? 0 : common / either;
}

test("boxIou counts squares", () => {
  fc.assert(
    fc.property(boxes, boxes, (a, b) => {
      expect(boxIou(a, b)).toBeCloseTo(countedIou(a, b), 12);
    }),
  );
});

describe("phraseGrounding", () => {
  const queries = fc.array(
    fc.integer({ min: 0, max: 5 }).chain((count) =>
      fc.record({
        boxes: fc.array(boxes, { minLength: count, maxLength: count }),
        scores: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: count, maxLength: count }),
        truth: fc.array(boxes, { minLength: 1, maxLength: 3 }),
      }),
    ),
    { minLength: 1, maxLength: 4 },
  );

  test.each(["any-box", "merged-boxes"] as const)("equals all orders of ties, spelled out: %s", (protocol) => {
    fc.assert(
      fc.property(queries, fc.constantFrom(0.2, 0.5), (some, threshold) => {
        const result = phraseGrounding(some, { protocol, threshold, ks: [1, 2, 3] });
        const around = (truth: readonly Box[]): Box[] =>
          protocol === "any-box"
            ? [...truth]
            : [
                [
                  Math.min(...truth.map((b) => b[0])),
                  Math.min(...truth.map((b) => b[1])),
                  Math.max(...truth.map((b) => b[2])),
                  Math.max(...truth.map((b) => b[3])),
                ],
              ];
        const overlap = (box: Box, truth: readonly Box[]) => Math.max(...around(truth).map((t) => countedIou(box, t)));
        const hits = some.map(({ boxes: offered, scores, truth }) =>
          [1, 2, 3].map((k) =>
            naiveHit(
              scores,
              offered.map((box) => overlap(box, truth) >= threshold),
              k,
            ),
          ),
        );
        expect([...result.hits]).toEqual(hits.flat().map((hit) => expect.closeTo(hit, 12)));
        expect(result.recall[1]!.recall).toBeCloseTo(mean(hits.map((each) => each[1]!)), 12);
        const best = some.map(({ boxes: offered, scores, truth }) =>
          mean(offered.filter((_, i) => scores[i] === Math.max(...scores)).map((box) => overlap(box, truth))),
        );
        expect(result.meanIou).toBeCloseTo(mean(best), 12);
      }),
    );
  });

  test("the protocols differ where a phrase has two boxes", () => {
    const query = {
      boxes: [[0, 0, 2, 2] as const],
      scores: [1],
      truth: [[0, 0, 2, 2] as const, [8, 8, 10, 10] as const],
    };
    expect(phraseGrounding([query], { protocol: "any-box" }).recall[0]!.recall).toBe(1);
    expect(phraseGrounding([query], { protocol: "merged-boxes" }).recall[0]!.recall).toBe(0);
    expect(phraseGrounding([query], { protocol: "merged-boxes" }).centreHitRate).toBe(1);
  });

  test.each([
    ["InvalidArgument", { boxes: [], scores: [], truth: [] }],
    ["InvalidArgument", { boxes: [[2, 0, 1, 1]], scores: [1], truth: [[0, 0, 1, 1]] }],
    ["Mismatch", { boxes: [[0, 0, 1, 1]], scores: [], truth: [[0, 0, 1, 1]] }],
    ["NotFinite", { boxes: [[0, 0, 1, 1]], scores: [Number.NaN], truth: [[0, 0, 1, 1]] }],
  ] as const)("refuses what makes no sense: %s", (code, query) => {
    expect(() => phraseGrounding([query], { protocol: "any-box" })).toThrow(
      expect.toSatisfy((error) => isVillaError(error, code)),
    );
  });
});

describe("score maps", () => {
  const height = 2;
  const width = 3;
  const truth = [[1, 0, 3, 1] as const]; // pixels 1 and 2
  const map = (scores: number[]) => ({ scores, height, width, truth });

  test("the pointing game looks at the highest pixel; ties count as a draw", () => {
    const maps = [map([0, 1, 0, 0, 0, 0]), map([0, 0, 0, 1, 0, 0]), map([7, 7, 7, 7, 7, 7])];
    const { accuracy, meanPerGroup, hits } = pointingGame(maps, { groups: ["a", "b", "b"] });
    expect([...hits]).toEqual([1, 0, expect.closeTo(2 / 6, 12)]);
    expect(accuracy).toBeCloseTo(4 / 9, 12);
    expect(meanPerGroup).toBeCloseTo((1 + 1 / 6) / 2, 12);
    expect(pointingGame([maps[1]!], { tolerance: 1 }).accuracy).toBe(1);
    expect(pointingGame([map([Number.NaN, 1, 0, 0, Number.NaN, 0])]).accuracy).toBe(1);
  });

  test("contrast is the difference of means over the root of the summed variances", () => {
    const { signed, absolute, perMap } = contrastToNoise([
      map([0, 4, 6, 0, 2, 2]), // inside 5 ± 1, outside 1 ± 1
      map([6, 0, 2, 6, 4, 4]), // inside 1 ± 1, outside 5 ± 1
      map([1, 1, 1, 1, 1, 1]),
    ]);
    expect([...perMap]).toEqual([expect.closeTo(4 / Math.SQRT2, 12), expect.closeTo(-4 / Math.SQRT2, 12), Number.NaN]);
    expect(signed).toBeCloseTo(0, 12);
    expect(absolute).toBeCloseTo(4 / Math.SQRT2, 12);
    expect(contrastToNoise([]).signed).toBeNaN();
  });

  test.each([
    ["Mismatch", { ...map([1]), height: 2 }],
    ["InvalidArgument", { ...map([1, 1, 1, 1, 1, 1]), truth: [] }],
    ["NotFinite", map(Array(6).fill(Number.NaN))],
  ] as const)("refuses what makes no sense: %s", (code, each) => {
    expect(() => pointingGame([each])).toThrow(expect.toSatisfy((error) => isVillaError(error, code)));
  });
});
