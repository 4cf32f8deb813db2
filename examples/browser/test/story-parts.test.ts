// What the story is made of, without a browser.
import { attributeNames } from "@villa/data";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { generateDataset } from "../src/laboratory/generate.ts";
import { tellingImage } from "../src/laboratory/telling-image.ts";
import { type Link, placesOf } from "../src/story/order.ts";

describe("places of sentences", () => {
  const crossings = (links: readonly Link[], places: readonly number[]): number =>
    links.flatMap((a) => links.filter((b) => a.region < b.region && places[a.sentence]! > places[b.sentence]!)).length;

  test("lines do not cross where they need not", () => {
    const links = [
      { sentence: 0, region: 2 },
      { sentence: 1, region: 0 },
      { sentence: 2, region: 1 },
      { sentence: 2, region: 2 },
      { sentence: 4, region: 0 },
    ];
    expect(placesOf(5, links)).toEqual([3, 0, 2, 4, 1]);
  });

  test("are all different, and never cross more than as the sentences come", () => {
    const link = fc.record({ sentence: fc.nat(7), region: fc.nat(3) });
    const drawn = fc.uniqueArray(link, { selector: ({ sentence, region }) => 4 * sentence + region });
    fc.assert(
      fc.property(drawn, (links) => {
        const places = placesOf(8, links);
        const asTheyCome = places.map((_, sentence) => sentence);
        expect([...places].sort((a, b) => a - b)).toEqual(asTheyCome);
        expect(crossings(links, places)).toBeLessThanOrEqual(crossings(links, asTheyCome));
      }),
    );
  });
});

describe("the image that explains the method", () => {
  test.each([23, 7, 1])("shows different digits, two of which share one attribute (seed %i)", (seed) => {
    const { rows, vocabulary } = generateDataset({
      seed,
      attributeBudget: 500,
      valAttributeBudget: 1000,
      targetSampleComplexity: 12,
      colors: ["red", "yellow", "green", "blue", "purple"],
      shapes: ["circle", "rectangle", "none"],
    });
    const images = rows.flatMap(({ split }, row) => (split === "val" ? [row] : []));
    const truth = rows[tellingImage(rows, images, vocabulary)]!.regToAttr!;
    const digits = truth.map((own) => own.find((name) => vocabulary.groups[0]!.attributes.includes(name)));
    expect(new Set(digits).size).toBe(digits.length);
    const shared = attributeNames(vocabulary).filter((name) => truth.filter((own) => own.includes(name)).length > 1);
    expect(shared.length).toBe(1);
  });

  test("is the first one where the truth is not known", () => {
    const row = { regToAttr: undefined } as never;
    expect(tellingImage([row, row], [1], { groups: [] })).toBe(1);
    expect(tellingImage([], [], { groups: [] })).toBe(0);
  });
});
