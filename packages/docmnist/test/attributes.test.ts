import { attributeNames, docMnistVocabulary, isVillaError } from "@villa/data";
import { describe, expect, it } from "vitest";
import { attributeVocabulary, chooseAttributes, docMnistAttributes, generateDocMnist } from "../src/index.ts";
import { namedDigits } from "./golden-dataset.ts";

const digits = { train: namedDigits("attributes", 300) };
const options = { digits, attributeBudget: 3000, targetSampleComplexity: 12, valAttributeBudget: 200 };
const refusal = (action: () => unknown): string => {
  try {
    action();
  } catch (error) {
    if (isVillaError(error, "InvalidArgument")) return error.message;
    throw error;
  }
  return "accepted";
};

describe("attributes", () => {
  it("are the data package's DocMNIST vocabulary by default", () => {
    expect(attributeVocabulary()).toEqual(docMnistVocabulary);
  });

  it("can be chosen: digits, colours, shapes, sizes, templates", () => {
    const attributes = chooseAttributes({
      digits: ["seven", 3, { label: 9, name: "the last" }],
      colors: ["red", { name: "orange", rgb: [255, 136, 0] }],
      shapes: ["triangle", "cross", { name: "box", outline: "rectangle" }, "none"],
      sizes: ["small", { name: "huge", radius: 8, side: 11 }],
      templates: { digit: ["I see {} here"] },
    });
    expect(attributeNames(attributeVocabulary(attributes))).toEqual(
      ["seven", "three", "the last", "red", "orange", "box", "triangle", "cross", "small", "huge"], // shapes: by kind
    );
    const { train } = generateDocMnist({ ...options, attributes });
    const regions = train.flatMap((sample) => sample.regions);
    const seen = new Set(regions.flatMap((region) => [region.shape ?? "none", ...region.attributes]));
    expect([...seen].sort()).toEqual(["none", ...attributeNames(attributeVocabulary(attributes))].sort());
    const said = train.flatMap((sample) => sample.sentences).filter((sentence) => sentence.startsWith("I see"));
    expect(new Set(said)).toEqual(new Set(["I see seven here", "I see three here", "I see the last here"]));
    expect(regions.some((region) => region.box[2] - region.box[0] !== 28)).toBe(false);
  });

  it("can have probabilities", () => {
    const attributes = chooseAttributes({
      probabilities: {
        digits: [0.5, 0.5, 0, 0, 0, 0, 0, 0, 0, 0],
        colors: [0, 0, 1, 0, 0],
        shapes: [0.9, 0.1, 0],
        sizes: [0, 0, 1],
      },
    });
    const regions = generateDocMnist({ ...options, attributes }).train.flatMap((sample) => sample.regions);
    expect(new Set(regions.map((region) => region.digit))).toEqual(new Set(["zero", "one"]));
    expect(new Set(regions.map((region) => region.color))).toEqual(new Set(["green"]));
    expect(new Set(regions.map((region) => region.size))).toEqual(new Set(["large"]));
    const circles = regions.filter((region) => region.shape === "circle").length / regions.length;
    expect(circles).toBeGreaterThan(0.8);
    expect(circles).toBeLessThan(0.97);
  });

  it("are missed when a class with a probability has no picture in a split", () => {
    const attributes = chooseAttributes({ digits: [0, 1], probabilities: { digits: [0.5, 0.5] } });
    const labels = Uint8Array.from({ length: 300 }, (_, i) => (i === 0 ? 1 : 0));
    const source = { train: { images: digits.train.images, labels } };
    expect(refusal(() => generateDocMnist({ ...options, digits: source, attributes }))).toContain(
      'no picture of "one"',
    );
  });

  it("can leave shapes out: regions then have two attributes, and two suffice as target", () => {
    const attributes = chooseAttributes({ shapes: ["none"] });
    const { train } = generateDocMnist({ ...options, attributes, targetSampleComplexity: 2 });
    expect(new Set(train.map((sample) => sample.sampleComplexity))).toEqual(new Set([2]));
    expect(attributeVocabulary(attributes).groups.map((group) => group.name)).toEqual(["digit", "color"]);
  });

  it.each([
    ["colour that is unknown", { colors: ["pink"] }, 'no colour "pink"'],
    ["digit that is unknown", { digits: ["eleven"] }, 'no digit "eleven"'],
    ["shape that is unknown", { shapes: ["star"] }, 'no shape "star"'],
    ["outline that is unknown", { shapes: [{ name: "star", outline: "star" }] }, 'unknown outline "star"'],
    ["size that is unknown", { sizes: ["gigantic"] }, 'no size "gigantic"'],
    ["key that is unknown", { colours: ["red"] }, '"colours" is not one of'],
    ["name used twice", { colors: ["red", "red"] }, 'Two attributes are named "red"'],
    ["name with a dot", { colors: [{ name: "a.b", rgb: [1, 2, 3] }] }, "cannot name an attribute"],
    ["colour out of range", { colors: [{ name: "x", rgb: [1, 2, 300] }] }, "between 0 and 255"],
    ["colour without values", { colors: [{ name: "x" }] }, "list of names"],
    ["empty list", { digits: [] }, "At least one digit"],
    ["template without a place", { templates: { digit: ["hello"] } }, 'must contain " {}"'],
    ["template of an unknown group", { templates: { texture: ["a {}"] } }, '"templates" must hold'],
    ["probabilities of another length", { probabilities: { colors: [1] } }, "must be 5 numbers"],
    ["probabilities of another sum", { probabilities: { sizes: [1, 1, 1] } }, "add up to 1"],
    ["size that does not fit", { sizes: [{ name: "x", radius: 40, side: 1 }] }, "between 1 and 12"],
    ["list", [], "must be an object"],
  ])("refuse a %s", (_, choice, sentence) => {
    expect(refusal(() => chooseAttributes(choice as never))).toContain(sentence);
  });

  it("do not draw beyond their cell", () => {
    const attributes = chooseAttributes({
      shapes: ["triangle", "cross", "circle", "rectangle"],
      sizes: [{ name: "huge", radius: 12, side: 12 }],
    });
    const black = { images: new Uint8Array(300 * 784), labels: digits.train.labels };
    const { train } = generateDocMnist({ ...options, digits: { train: black }, attributes });
    for (const { image, regions, width } of train) {
      const isInside = (x: number, y: number) =>
        regions.some(({ box: [x0, y0, x1, y1] }) => x >= x0 && x < x1 && y >= y0 && y < y1);
      for (const [i, value] of image.subarray(0, width * width).entries()) {
        if (value !== 0) expect(isInside(i % width, Math.floor(i / width))).toBe(true);
      }
    }
  });

  it("stay as they are when nothing is chosen", () => {
    expect(chooseAttributes({})).toEqual(docMnistAttributes);
  });
});
