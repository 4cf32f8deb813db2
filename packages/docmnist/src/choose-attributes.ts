import { VillaError } from "@villa/data";
import {
  type AttributeProbabilities,
  type ColorAttribute,
  checkAttributes,
  type DigitAttribute,
  type DocMnistAttributes,
  docMnistAttributes,
  type SentenceTemplates,
  type ShapeAttribute,
  type SizeAttribute,
} from "./attributes.ts";
import { type OutlineKind, outlineKinds } from "./outline.ts";

/**
 * A choice of attributes in a short form, e.g. from a JSON file. What is left out stays as in the paper; names of
 * built-in attributes stand for them.
 *
 * @example { "digits": ["one", 7], "colors": ["red", { "name": "orange", "rgb": [255, 136, 0] }],
 *            "shapes": ["triangle", "cross", "none"] }
 */
export interface AttributeChoice {
  /** Names ("seven"), labels (7), or both for digits of other files. */
  readonly digits?: readonly (string | number | DigitAttribute)[] | undefined;
  readonly colors?: readonly (string | ColorAttribute)[] | undefined;
  /** "circle", "rectangle", "triangle", "cross", the same under another name; "none" or null allows no shape. */
  readonly shapes?: readonly (string | null | ShapeAttribute)[] | undefined;
  readonly sizes?: readonly (string | SizeAttribute)[] | undefined;
  readonly templates?: Partial<SentenceTemplates> | undefined;
  readonly probabilities?: AttributeProbabilities | undefined;
}

/** Shapes that can be chosen by name. */
const shapes: readonly ShapeAttribute[] = outlineKinds.map((kind) => ({ name: kind, outline: kind }));

/**
 * Completes a choice of attributes.
 *
 * @throws VillaError `InvalidArgument` for unknown names and keys, or attributes that cannot be drawn
 */
export function chooseAttributes(choice: AttributeChoice): DocMnistAttributes {
  checkShape(choice);
  const base = docMnistAttributes;
  const chosenShapes = choice.shapes?.filter((item) => item !== null && item !== "none");
  const attributes: DocMnistAttributes = {
    digits: choice.digits?.map((item) => findDigit(item)) ?? base.digits,
    colors: choice.colors?.map((item) => find("colour", base.colors, item)) ?? base.colors,
    shapes: chosenShapes?.map((item) => withKnownOutline(find("shape", shapes, item!))) ?? base.shapes,
    sizes: choice.sizes?.map((item) => find("size", base.sizes, item)) ?? base.sizes,
    allowNoShape: choice.shapes ? chosenShapes!.length < choice.shapes.length : base.allowNoShape,
    templates: { ...base.templates, ...choice.templates },
    probabilities: choice.probabilities ?? {},
  };
  checkAttributes(attributes);
  return attributes;
}

function find<T extends { readonly name: string }>(kind: string, known: readonly T[], item: string | T): T {
  if (typeof item !== "string") return item;
  const found = known.find(({ name }) => name === item);
  if (found) return found;
  const names = known.map(({ name }) => name).join(", ");
  throw new VillaError("InvalidArgument", `There is no ${kind} "${item}"; the built-in ones are ${names}.`);
}

function findDigit(item: string | number | DigitAttribute): DigitAttribute {
  if (typeof item === "object") return item;
  const text = String(item);
  const byLabel = docMnistAttributes.digits.find(({ label }) => String(label) === text);
  return byLabel ?? find("digit", docMnistAttributes.digits, text);
}

function withKnownOutline(shape: ShapeAttribute): ShapeAttribute {
  if (outlineKinds.includes(shape.outline)) return shape;
  const kinds: readonly OutlineKind[] = outlineKinds;
  throw new VillaError(
    "InvalidArgument",
    `The shape "${shape.name}" has the unknown outline "${shape.outline}"; there are ${kinds.join(", ")}.`,
  );
}

/** The choice may come from a file: its keys and item types are checked before anything is read from them. */
function checkShape(choice: unknown): void {
  const fail = (sentence: string): never => {
    throw new VillaError("InvalidArgument", sentence);
  };
  if (!isRecord(choice)) {
    throw new VillaError(
      "InvalidArgument",
      "The attributes must be an object of lists: digits, colors, shapes, sizes.",
    );
  }
  for (const [key, value] of Object.entries(choice)) {
    if (value === undefined) continue;
    if (key === "templates" || key === "probabilities") {
      const keys = key === "templates" ? ["digit", "color", "shape", "size"] : ["digits", "colors", "shapes", "sizes"];
      const itemType = key === "templates" ? "string" : "number";
      const isSound =
        isRecord(value) &&
        Object.entries(value).every(
          ([name, items]) =>
            keys.includes(name) &&
            (items === undefined || (Array.isArray(items) && items.every((item) => typeof item === itemType))),
        );
      if (!isSound) fail(`"${key}" must hold lists of ${itemType}s named ${keys.join(", ")}.`);
    } else if (!(key in itemFields)) {
      fail(`"${key}" is not one of digits, colors, shapes, sizes, templates and probabilities.`);
    } else if (!Array.isArray(value) || !value.every((item) => isItem(key as keyof typeof itemFields, item))) {
      fail(
        `"${key}" must be a list of names, or of objects with ${itemFields[key as keyof typeof itemFields].join(", ")}.`,
      );
    }
  }
}

const itemFields = {
  digits: ["label", "name"],
  colors: ["name", "rgb"],
  shapes: ["name", "outline"],
  sizes: ["name", "radius", "side"],
} as const;

function isItem(key: keyof typeof itemFields, item: unknown): boolean {
  if (typeof item === "string") return true;
  if (typeof item === "number") return key === "digits";
  if (item === null) return key === "shapes";
  if (!isRecord(item) || typeof item.name !== "string") return false;
  const fields = itemFields[key];
  return fields.every((field) => field in item) && (key !== "colors" || Array.isArray(item.rgb));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
