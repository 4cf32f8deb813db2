import { type AttributeVocabulary, docMnistVocabulary, RandomState } from "@villa/data";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fineGrainedAccuracy, hardNegatives } from "../src/index.ts";
import { mean, tiedOrders } from "./rankings.ts";

const vocabulary: AttributeVocabulary = {
  groups: [
    {
      name: "color",
      attributes: ["red", "blue", "light blue", "orange"],
      templates: ["it is {}"],
      synonyms: { red: ["crimson"] },
    },
    { name: "thing", attributes: ["mug", "axe"], templates: ["a {}"] },
    { name: "part", attributes: ["lid"], templates: ["a {}"] },
  ],
};
const draw = (text: string, options: { count?: number; swaps?: number; seed?: number; attributes?: string[] } = {}) =>
  hardNegatives({
    text,
    vocabulary,
    count: options.count ?? 100,
    swaps: options.swaps,
    attributes: options.attributes,
    random: new RandomState(options.seed ?? 0),
  });

describe("fineGrainedAccuracy", () => {
  test("is the share of choices that the first wins, over all orders of ties", () => {
    const choices = fc.array(fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 2, maxLength: 5 }), {
      minLength: 1,
    });
    fc.assert(
      fc.property(choices, (some) => {
        const { accuracy, chance, hits } = fineGrainedAccuracy(some);
        const expected = some.map((scores) => mean(tiedOrders(scores).map(([first]) => Number(first === 0))));
        expect([...hits]).toEqual(expected.map((hit) => expect.closeTo(hit, 12)));
        expect(accuracy).toBeCloseTo(mean(expected), 12);
        expect(chance).toBeCloseTo(mean(some.map(({ length }) => 1 / length)), 12);
      }),
    );
  });

  test("refuses a choice of one, and scores that are no numbers", () => {
    expect(() => fineGrainedAccuracy([[1]])).toThrow("no score of a false description");
    expect(() => fineGrainedAccuracy([[1, Number.NaN]])).toThrow("score NaN");
  });
});

describe("hardNegatives", () => {
  test("swaps one attribute for every other of its group", () => {
    expect(draw("A Crimson mug with a lid.").map(({ text }) => text)).toEqual(
      expect.arrayContaining([
        "A Blue mug with a lid.",
        "A Light blue mug with a lid.",
        "An Orange mug with a lid.",
        "A Crimson axe with a lid.",
      ]),
    );
    expect(draw("A Crimson mug with a lid.")).toHaveLength(4);
    expect(draw("the mug")).toEqual([{ text: "the axe", swapped: [{ from: "mug", to: "axe" }] }]);
    expect(draw("a mug")[0]!.text).toBe("an axe");
    expect(draw("an axe")[0]!.text).toBe("a mug");
  });

  test("swaps two at once", () => {
    const negatives = draw("a red mug", { swaps: 2 });
    expect(negatives.map(({ text }) => text).sort()).toEqual(["a blue axe", "a light blue axe", "an orange axe"]);
    expect(draw("a red mug", { swaps: 3 })).toEqual([]);
  });

  test("puts in nothing that is there, or that the text names", () => {
    const texts = draw("a red mug, a blue mug, not orange").map(({ text }) => text);
    expect(texts.sort()).toEqual([
      "a light blue mug, a blue mug, not orange",
      "a red axe, a blue axe, not orange",
      "a red mug, a light blue mug, not orange",
    ]);
    // "blue" is there by what the caller knows, and "light blue" is not a mention of it.
    expect(
      draw("a light blue mug", { attributes: ["light blue", "blue", "mug"] })
        .map(({ text }) => text)
        .sort(),
    ).toEqual(["a light blue axe", "a red mug", "an orange mug"]);
  });

  test("draws without repetition, alike for a seed", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.nat(1000),
        fc.integer({ min: 1, max: 2 }),
        (count, seed, swaps) => {
          const options = {
            text: "there is a red image showing a three",
            vocabulary: docMnistVocabulary,
            count,
            swaps,
          };
          const negatives = hardNegatives({ ...options, random: new RandomState(seed) });
          expect(negatives).toEqual(hardNegatives({ ...options, random: new RandomState(seed) }));
          expect(negatives).toHaveLength(swaps === 1 ? Math.min(count, 13) : count);
          expect(new Set(negatives.map(({ text }) => text)).size).toBe(negatives.length);
          for (const { text, swapped } of negatives) {
            expect(swapped).toHaveLength(swaps);
            for (const { from, to } of swapped) {
              expect(text).not.toMatch(new RegExp(`\\b${from}\\b`));
              expect(text).toMatch(new RegExp(`\\b${to}\\b`));
            }
          }
        },
      ),
    );
  });
});
