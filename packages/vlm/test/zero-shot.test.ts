import { docMnistVocabulary, isVillaError, RandomState } from "@villa/data";
import { boxIou } from "@villa/metrics";
import { describe, expect, test } from "vitest";
import {
  attributeClasses,
  boxScoreMap,
  classEmbeddings,
  classPrompts,
  detectRegions,
  hasClass,
  pyramidBoxes,
} from "../src/index.ts";

const code = (run: () => unknown): string => {
  try {
    run();
    return "none";
  } catch (error) {
    return isVillaError(error) ? error.code : "other";
  }
};

describe("classes", () => {
  test("are attributes, groups, and pairs of groups", () => {
    const [first, second] = docMnistVocabulary.groups;
    expect(attributeClasses(docMnistVocabulary).map(({ name }) => name)).toEqual(first!.attributes);
    expect(attributeClasses(docMnistVocabulary, ["red", "blue"]).map(({ name }) => name)).toEqual(["red", "blue"]);
    const pairs = attributeClasses(docMnistVocabulary, [`${first!.name}+${second!.name}`]);
    expect(pairs).toHaveLength(first!.attributes.length * second!.attributes.length);
    expect(hasClass(["red", "seven", "large"], { name: "", attributes: ["seven", "red"] })).toBe(true);
    expect(hasClass(["red", "six"], { name: "", attributes: ["seven", "red"] })).toBe(false);
    expect(code(() => attributeClasses(docMnistVocabulary, ["cat"]))).toBe("InvalidArgument");
    expect(code(() => attributeClasses(docMnistVocabulary, ["red"]))).toBe("InvalidArgument");
  });

  test("have the vocabulary's sentences, the user's, or the default ones", () => {
    const vocabulary = { groups: [{ name: "g", attributes: ["mug"], templates: ["one {}", "two {}"] }] };
    expect(classPrompts(["mug"], { vocabulary })).toEqual([["one mug", "two mug"]]);
    expect(classPrompts(["mug", "lid"], { templates: ["a {} here"] })).toEqual([["a mug here"], ["a lid here"]]);
    expect(classPrompts(["lid"], { vocabulary })[0]).toContain("a photo of a lid");
    expect(code(() => classPrompts(["mug"], { templates: ["a mug"] }))).toBe("InvalidArgument");
  });

  test("are the normalised mean of their sentences' embeddings", async () => {
    const known: Record<string, number[]> = { a: [3, 0], b: [0, 1], c: [0, 2] };
    const encode = async (texts: readonly string[]) => Float32Array.from(texts.flatMap((text) => known[text]!));
    const embedded = await classEmbeddings(encode, { prompts: [["a", "b"], ["c"]], dimension: 2 });
    const norm = Math.hypot(3, 1);
    for (const [i, value] of [3 / norm, 1 / norm, 0, 1].entries()) expect(embedded[i]).toBeCloseTo(value, 6);
    const failing = classEmbeddings(async () => new Float32Array(2), { prompts: [["a"]], dimension: 2 });
    expect(isVillaError(await failing.catch((error: unknown) => error), "NotFinite")).toBe(true);
  });
});

describe("detections", () => {
  const boxes = [
    [0, 0, 10, 10],
    [1, 0, 10, 10],
    [50, 50, 60, 60],
  ] as const;
  const cosines = Float32Array.of(0.9, 0.1, 0.8, 0.2, 0.3, 0.7);

  test("are softmaxes over the classes, suppressed within each class", () => {
    const found = detectRegions({ boxes, cosines, classes: 2, temperature: 0.1 });
    const softmax = (a: number, b: number) => 1 / (1 + Math.exp((b - a) / 0.1));
    expect(found.map((each) => [each.box, each.class])).toEqual([
      [0, 0],
      [2, 1],
      [2, 0],
      [1, 1],
    ]);
    expect(found[0]!.score).toBeCloseTo(softmax(0.9, 0.1), 6);
    expect(found[3]!.score).toBeCloseTo(softmax(0.2, 0.8), 6);
  });

  test("may be the cosines, all of them, and only the best", () => {
    const all = detectRegions({ boxes, cosines, classes: 2, temperature: 0, overlap: 1 });
    expect(all.map(({ score }) => score)).toEqual([...cosines].sort((a, b) => b - a));
    expect(detectRegions({ boxes, cosines, classes: 2, temperature: 0, overlap: 1, most: 2 })).toEqual(all.slice(0, 2));
    expect(code(() => detectRegions({ boxes, cosines, classes: 3 }))).toBe("Mismatch");
  });
});

test("a pyramid covers the image at every level; a jitter moves boxes and keeps them inside", () => {
  const still = pyramidBoxes({ width: 120, height: 60, levels: [1, 2, 3] });
  expect(still).toHaveLength(1 + 4 + 9);
  expect(still[0]).toEqual([0, 0, 120, 60]);
  expect(still[4]).toEqual([60, 30, 120, 60]);
  const overlapping = pyramidBoxes({ width: 100, height: 100, levels: [2], overlap: 0.5 });
  expect(overlapping[0]![2]).toBeCloseTo(200 / 3, 10);
  expect(overlapping[3]![2]).toBeCloseTo(100, 10);
  const moved = pyramidBoxes({ width: 120, height: 60, levels: [3], jitter: 0.2, random: new RandomState(1) });
  moved.forEach((box, i) => {
    expect(box[0] >= 0 && box[1] >= 0 && box[2] <= 120 && box[3] <= 60 && box[0] < box[2] && box[1] < box[3]).toBe(
      true,
    );
    expect(boxIou(box, still[5 + i]!)).toBeGreaterThan(0.3);
  });
  expect(moved).not.toEqual(still.slice(5));
  for (const wrong of [{ levels: [0] }, { levels: [] }, { overlap: 1 }, { jitter: 0.2 }]) {
    expect(code(() => pyramidBoxes({ width: 10, height: 10, ...wrong }))).toBe("InvalidArgument");
  }
});

test("a map has the best score over each pixel, and none where no box is", () => {
  const { scores, width, height, scale } = boxScoreMap({
    width: 4,
    height: 2,
    boxes: [
      [0, 0, 2, 2],
      [1, 0, 3, 1],
    ],
    scores: [0.5, 0.9],
  });
  expect([width, height, scale]).toEqual([4, 2, 1]);
  expect([...scores].map((score) => (Number.isNaN(score) ? null : Number(score.toFixed(2))))).toEqual([
    0.5,
    0.9,
    0.9,
    null,
    0.5,
    0.5,
    null,
    null,
  ]);
  const small = boxScoreMap({ width: 1000, height: 500, boxes: [[0, 0, 1000, 500]], scores: [1] });
  expect([small.width, small.height]).toEqual([64, 32]);
  expect(small.scores.every((score) => score === 1)).toBe(true);
});
