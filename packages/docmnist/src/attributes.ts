import { type ArgumentRule, checkArgument, VillaError } from "@villa/data";
import type { OutlineKind } from "./outline.ts";

/** A digit class: the label it has in the digit files and the word for it. */
export interface DigitAttribute {
  readonly label: number;
  readonly name: string;
}

/** A colour for the bright pixels of a digit. */
export interface ColorAttribute {
  readonly name: string;
  /** Red, green, blue, 0…255. */
  readonly rgb: readonly [number, number, number];
}

/** A shape whose outline is drawn over a digit. */
export interface ShapeAttribute {
  readonly name: string;
  readonly outline: OutlineKind;
}

/** How large a shape is drawn, in pixels of a 28×28 cell. */
export interface SizeAttribute {
  readonly name: string;
  /** Circle radius, triangle half height and cross arm. */
  readonly radius: number;
  /** Side of the rectangle that the outline surrounds, less one. */
  readonly side: number;
}

/** Sentences that state an attribute, `{}` standing for it. */
export interface SentenceTemplates {
  readonly digit: readonly string[];
  readonly color: readonly string[];
  readonly shape: readonly string[];
  readonly size: readonly string[];
}

/** How likely each attribute is; lists are in the order of the attributes and add up to 1. */
export interface AttributeProbabilities {
  /** Given this, a digit class is drawn first and then one of its pictures; otherwise every picture is as likely. */
  readonly digits?: readonly number[] | undefined;
  readonly colors?: readonly number[] | undefined;
  /** One more than there are shapes when `allowNoShape`: the last one is for "no shape". */
  readonly shapes?: readonly number[] | undefined;
  readonly sizes?: readonly number[] | undefined;
}

/** What DocMNIST regions may look like, and what is said about them. */
export interface DocMnistAttributes {
  readonly digits: readonly DigitAttribute[];
  readonly colors: readonly ColorAttribute[];
  readonly shapes: readonly ShapeAttribute[];
  readonly sizes: readonly SizeAttribute[];
  /** Whether a region may have no shape. */
  readonly allowNoShape: boolean;
  readonly templates: SentenceTemplates;
  readonly probabilities: AttributeProbabilities;
}

/** The attributes of the paper. Their order decides what a random draw means, so it is part of the contract. */
export const docMnistAttributes: DocMnistAttributes = {
  digits: ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"].map((name, label) => ({
    label,
    name,
  })),
  colors: [
    { name: "red", rgb: [255, 0, 0] },
    { name: "yellow", rgb: [208, 255, 0] },
    { name: "green", rgb: [0, 255, 92] },
    { name: "blue", rgb: [0, 116, 255] },
    { name: "purple", rgb: [184, 0, 255] },
  ],
  shapes: [
    { name: "circle", outline: "circle" },
    { name: "rectangle", outline: "rectangle" },
  ],
  sizes: [
    { name: "small", radius: 1, side: 1 },
    { name: "medium", radius: 3, side: 4 },
    { name: "large", radius: 5, side: 7 },
  ],
  allowNoShape: true,
  templates: {
    digit: [
      "the image shows a {}",
      "the digit appears to be {}",
      "there is an image showing a {}",
      "the number is a {}",
    ],
    color: ["the color is {}", "the digit appears to be {}", "there is a {} image", "the image is {}"],
    shape: ["the shape is a {}", "the shape appears to be a {}", "there is a {}", "the image has a {}"],
    size: ["the shape size is {}", "the size of the shape is {}", "the shape is {}"],
  },
  probabilities: {},
};

/** Attributes per region at most: digit and colour, and shape and size when there are shapes. */
export function largestRegionComplexity(attributes: DocMnistAttributes): number {
  return attributes.shapes.length > 0 ? 4 : 2;
}

/** What {@link DocMnistAttributes} have to be. */
export const docMnistAttributeRule = {
  digits: ["object"],
  colors: ["object"],
  shapes: ["object"],
  sizes: ["object"],
  allowNoShape: "boolean",
  templates: { digit: ["text"], color: ["text"], shape: ["text"], size: ["text"] },
  probabilities: { "digits?": "numbers", "colors?": "numbers", "shapes?": "numbers", "sizes?": "numbers" },
} satisfies ArgumentRule;

/**
 * The attribute vocabulary in the order that embeddings and models use: digits, colours, shapes, sizes. Shapes are listed
 * with rectangle before circle, as the reference does, then the others.
 */
export function attributeVocabulary(attributes: DocMnistAttributes = docMnistAttributes): {
  groups: { name: string; attributes: string[]; templates: string[] }[];
} {
  checkArgument("attributes?", attributes, docMnistAttributeRule);

  const rank = (shape: ShapeAttribute): number => outlineRank.indexOf(shape.outline);
  const shapes = [...attributes.shapes].sort((a, b) => rank(a) - rank(b));
  const group = (name: keyof SentenceTemplates, items: readonly { name: string }[]) => ({
    name,
    attributes: items.map((item) => item.name),
    templates: [...attributes.templates[name]],
  });
  const groups = [group("digit", attributes.digits), group("color", attributes.colors)];
  return { groups: shapes.length > 0 ? [...groups, group("shape", shapes), group("size", attributes.sizes)] : groups };
}

const outlineRank: readonly OutlineKind[] = ["rectangle", "circle", "triangle", "cross"];

/**
 * Checks that attributes can be drawn and told apart in a text.
 *
 * @throws VillaError `InvalidArgument`
 */
export function checkAttributes(attributes: DocMnistAttributes): void {
  const { digits, colors, shapes, sizes, allowNoShape } = attributes;
  const fail = (sentence: string): never => {
    throw new VillaError("InvalidArgument", sentence);
  };
  if (digits.length === 0) fail("At least one digit is needed.");
  if (colors.length === 0) fail("At least one colour is needed.");
  if (sizes.length === 0 && shapes.length > 0) fail("Shapes need at least one size.");
  if (shapes.length === 0 && !allowNoShape) fail("Without shapes, regions must be allowed to have no shape.");
  checkNames([...digits, ...colors, ...shapes, ...sizes].map((item) => item.name));
  const labels = new Set(digits.map((digit) => digit.label));
  const isByte = (value: number): boolean => Number.isInteger(value) && value >= 0 && value <= 255;
  if (labels.size !== digits.length || !digits.every((digit) => isByte(digit.label))) {
    fail("Digits need different labels between 0 and 255.");
  }
  for (const { name, rgb } of colors) {
    if (rgb.length !== 3 || !rgb.every(isByte)) fail(`The colour "${name}" needs three values between 0 and 255.`);
  }
  for (const { name, radius, side } of sizes) {
    const isSize = (value: number): boolean => Number.isInteger(value) && value >= 1 && value <= 12;
    if (!isSize(radius) || !isSize(side)) fail(`The size "${name}" needs a radius and a side between 1 and 12 pixels.`);
  }
  for (const [group, templates] of Object.entries(attributes.templates)) {
    if (templates.length === 0) fail(`The ${group} attributes need at least one sentence template.`);
    for (const template of templates) checkTemplate(template);
  }
  checkProbabilities(attributes);
}

function checkNames(names: readonly string[]): void {
  const seen = new Set<string>();
  for (const name of names) {
    // A text is split into sentences at "." and searched for lower-case names.
    if (!/^[^.\s][^.]*$/.test(name) || name !== name.toLowerCase()) {
      throw new VillaError("InvalidArgument", `"${name}" cannot name an attribute: use lower-case words without dots.`);
    }
    if (seen.has(name)) throw new VillaError("InvalidArgument", `Two attributes are named "${name}"; rename one.`);
    seen.add(name);
  }
}

function checkTemplate(template: string): void {
  if (template.split("{}").length !== 2 || !template.includes(" {}") || template.includes(".")) {
    throw new VillaError(
      "InvalidArgument",
      `The sentence template "${template}" must contain " {}" once, for the attribute, and no dot.`,
    );
  }
}

function checkProbabilities({ digits, colors, shapes, sizes, allowNoShape, probabilities }: DocMnistAttributes): void {
  const lengths = {
    digits: digits.length,
    colors: colors.length,
    shapes: shapes.length + (allowNoShape ? 1 : 0),
    sizes: sizes.length,
  };
  for (const [group, values] of Object.entries(probabilities)) {
    if (values === undefined) continue;
    const expected = lengths[group as keyof typeof lengths];
    const sum = values.reduce((total: number, p: number) => total + p, 0);
    if (values.length !== expected || !values.every((p: number) => p >= 0) || !(Math.abs(sum - 1) < 1e-8)) {
      throw new VillaError(
        "InvalidArgument",
        `The probabilities of the ${group} must be ${expected} numbers of at least 0 that add up to 1.`,
      );
    }
  }
}
