import { VillaError } from "../errors.ts";
import { checkList, checkObject, checkText, isObject, isText } from "../formats/check-arguments.ts";
import { quote } from "../formats/describe.ts";
import { parseJson } from "./json.ts";

/** Attributes that exclude each other and are spoken of in the same way, e.g. all colours. */
export interface AttributeGroup {
  readonly name: string;
  readonly attributes: readonly string[];
  /** Sentences about an attribute; `{}` stands for its name. */
  readonly templates: readonly string[];
  /** Other words for an attribute, by its name. */
  readonly synonyms?: Readonly<Record<string, readonly string[]>> | undefined;
}

/** The attributes a dataset speaks of: its file `attributes.json`. */
export interface AttributeVocabulary {
  readonly groups: readonly AttributeGroup[];
  /**
   * How texts mention attributes: `words` – whole words, synonyms too, and not negated (`AttributeMentions`);
   * `words-negated-too` – the same without the rule on negation. Absent in DocMNIST's folders, whose sentences mention an
   * attribute wherever it follows a space, as in the original.
   */
  readonly mentions?: "words" | "words-negated-too" | undefined;
  /** Of the texts, as a BCP 47 tag. Absent: English. */
  readonly language?: string | undefined;
  /** Whether a mention may be any form of the words: "effusions" for "effusion". English only. */
  readonly inflections?: boolean | undefined;
  /**
   * What it means when a text mentions an attribute only as uncertain ("possible edema"): as if it were there
   * (`positive`, the default), as if it were not (`negative`), or neither (`omit`): nothing is learned from it.
   */
  readonly uncertain?: UncertainChoice | undefined;
  /**
   * Attributes that texts mention and no annotation of regions speaks of, such as colours where a COCO file names objects
   * alone: whether a region has one is unknown. Absent: where truth is known at all, it covers every attribute.
   */
  readonly withoutTruth?: readonly string[] | undefined;
}

/** See {@link AttributeVocabulary.uncertain}. */
export type UncertainChoice = "positive" | "negative" | "omit";

const uncertainChoices: readonly unknown[] = ["positive", "negative", "omit"] satisfies UncertainChoice[];

/**
 * The 20 attributes of DocMNIST, in the original's order. Used for folders made by the original, which have no
 * `attributes.json`.
 */
export const docMnistVocabulary: AttributeVocabulary = {
  groups: [
    {
      name: "digit",
      attributes: ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
      templates: [
        "the image shows a {}",
        "the digit appears to be {}",
        "there is an image showing a {}",
        "the number is a {}",
      ],
    },
    {
      name: "color",
      attributes: ["red", "yellow", "green", "blue", "purple"],
      templates: ["the color is {}", "the digit appears to be {}", "there is a {} image", "the image is {}"],
    },
    {
      name: "shape",
      attributes: ["rectangle", "circle"],
      templates: ["the shape is a {}", "the shape appears to be a {}", "there is a {}", "the image has a {}"],
    },
    {
      name: "size",
      attributes: ["small", "medium", "large"],
      templates: ["the shape size is {}", "the size of the shape is {}", "the shape is {}"],
    },
  ],
};

/** All attributes in order: group by group. This order is that of attribute embeddings and projection heads. */
export function attributeNames(vocabulary: AttributeVocabulary): string[] {
  checkVocabulary(vocabulary);
  return vocabulary.groups.flatMap((group) => group.attributes);
}

/**
 * The attributes that can be judged: the vocabulary without its `withoutTruth`, and without groups of which none remains.
 *
 * @throws VillaError `InvalidArgument`
 */
export function vocabularyWithTruth(vocabulary: AttributeVocabulary): AttributeVocabulary {
  checkVocabulary(vocabulary);
  const { withoutTruth = [], ...rest } = vocabulary;
  if (withoutTruth.length === 0) return rest;
  const unknown = new Set(withoutTruth);
  const groups = rest.groups.map((group) => ({
    ...group,
    attributes: group.attributes.filter((attribute) => !unknown.has(attribute)),
    synonyms:
      group.synonyms &&
      Object.assign(
        Object.create(null) as Record<string, readonly string[]>,
        Object.fromEntries(Object.entries(group.synonyms).filter(([attribute]) => !unknown.has(attribute))),
      ),
  }));
  return { ...rest, groups: groups.filter(({ attributes }) => attributes.length > 0) };
}

/**
 * Says in a sentence which attributes are left out of a measure: groups by their names, single attributes by theirs.
 *
 * @returns undefined where truth covers every attribute
 */
export function withoutTruthNote(vocabulary: AttributeVocabulary): string | undefined {
  checkVocabulary(vocabulary);
  const unknown = new Set(vocabulary.withoutTruth ?? []);
  if (unknown.size === 0) return undefined;
  const parts = vocabulary.groups.flatMap(({ name, attributes }) => {
    const own = attributes.filter((attribute) => unknown.has(attribute));
    if (own.length === attributes.length) return [`the group ${name}`];
    const more = own.length > mostNamed ? [`${own.length - mostNamed} more of ${name}`] : [];
    return [...own.slice(0, mostNamed), ...more];
  });
  return `Left out of every measure, since regions have no true attributes of it: ${parts.join(", ")}.`;
}

/** Attributes of a group that a note names. */
const mostNamed = 8;

/**
 * Checks that a caller's vocabulary has groups of attributes; {@link parseVocabulary} looks at files more closely.
 *
 * @throws VillaError `InvalidArgument`
 */
export function checkVocabulary(vocabulary: AttributeVocabulary): void {
  checkObject(vocabulary, "A vocabulary");
  checkList(vocabulary.groups, "A vocabulary's groups", isObject);
  if (vocabulary.withoutTruth !== undefined) {
    checkList(vocabulary.withoutTruth, "A vocabulary's attributes without truth", isText);
  }
  for (const { attributes, templates } of vocabulary.groups) {
    checkList(attributes, "The attributes of a group", isText);
    checkList(templates, "The templates of a group", isText);
  }
}

/** An attribute's sentences: its group's templates with its name filled in. */
export interface AttributePrompts {
  readonly attribute: string;
  readonly group: string;
  readonly prompts: readonly string[];
}

/** Every attribute's sentences, in the order of {@link attributeNames}. */
export function attributePrompts(vocabulary: AttributeVocabulary): AttributePrompts[] {
  checkVocabulary(vocabulary);
  return vocabulary.groups.flatMap(({ name: group, attributes, templates }) =>
    attributes.map((attribute) => ({
      attribute,
      group,
      prompts: templates.map((template) => template.replaceAll("{}", attribute)),
    })),
  );
}

/**
 * Reads `attributes.json`: `{ "groups": [{ "name", "attributes": […], "templates": […] }] }`, a
 * group's `synonyms`, and the other members of {@link AttributeVocabulary} (`without_truth` for `withoutTruth`) if there are
 * any. Other keys are ignored.
 *
 * @throws VillaError `InvalidFile` saying which part is wrong
 */
export function parseVocabulary(json: string): AttributeVocabulary {
  checkText(json, "The contents of attributes.json");
  const value = parseJson(json, "attributes.json");
  const {
    groups,
    mentions,
    language,
    inflections,
    uncertain,
    without_truth: withoutTruth,
  } = (value ?? {}) as Record<string, unknown>;
  if (!Array.isArray(groups) || groups.length === 0) {
    throw new VillaError("InvalidFile", 'attributes.json has no list of "groups".');
  }
  if (mentions !== undefined && mentions !== "words" && mentions !== "words-negated-too") {
    throw new VillaError("InvalidFile", 'attributes.json: "mentions" is neither "words" nor "words-negated-too".');
  }
  if (language !== undefined && typeof language !== "string") {
    throw new VillaError("InvalidFile", 'attributes.json: "language" is not a text such as "en".');
  }
  if (inflections !== undefined && typeof inflections !== "boolean") {
    throw new VillaError("InvalidFile", 'attributes.json: "inflections" is neither true nor false.');
  }
  if (uncertain !== undefined && !uncertainChoices.includes(uncertain)) {
    throw new VillaError("InvalidFile", 'attributes.json: "uncertain" is not "positive", "negative" or "omit".');
  }
  const seen = new Set<string>();
  const vocabulary: AttributeVocabulary = {
    mentions,
    language,
    inflections,
    uncertain: uncertain as UncertainChoice | undefined,
    groups: groups.map((group: Partial<AttributeGroup> | null, i) => {
      const { name, attributes, templates, synonyms } = group ?? {};
      const where = `group ${typeof name === "string" ? quote(name) : i + 1}`;
      if (typeof name !== "string") throw new VillaError("InvalidFile", `attributes.json: ${where} has no name.`);
      if (!isTexts(attributes)) throw new VillaError("InvalidFile", `attributes.json: ${where} has no attributes.`);
      if (!isTexts(templates)) throw new VillaError("InvalidFile", `attributes.json: ${where} has no templates.`);
      const bad = templates.find((template) => !template.includes("{}"));
      if (bad !== undefined) {
        throw new VillaError(
          "InvalidFile",
          `attributes.json: the template ${quote(bad)} of ${where} does not contain {}.`,
        );
      }
      for (const attribute of attributes) {
        if (seen.has(attribute)) {
          throw new VillaError("InvalidFile", `attributes.json names the attribute ${quote(attribute)} twice.`);
        }
        seen.add(attribute);
      }
      const other = Object.entries(synonyms ?? {}).find(([key, words]) => !attributes.includes(key) || !isTexts(words));
      if (other) {
        throw new VillaError(
          "InvalidFile",
          `attributes.json: the synonyms of ${quote(other[0])} in ${where} are not a list of words for one of its attributes.`,
        );
      }
      // Attributes may be called "constructor": synonyms have no prototype.
      const own = synonyms && Object.assign(Object.create(null) as Record<string, readonly string[]>, synonyms);
      return { name, attributes, templates, synonyms: own };
    }),
  };
  if (withoutTruth === undefined) return vocabulary;
  if (!Array.isArray(withoutTruth)) {
    throw new VillaError("InvalidFile", 'attributes.json: "without_truth" is not a list of attributes.');
  }
  for (const attribute of withoutTruth as unknown[]) {
    if (typeof attribute === "string" && seen.has(attribute)) continue;
    throw new VillaError(
      "InvalidFile",
      `attributes.json: "without_truth" names ${JSON.stringify(attribute)}, which is not one of its attributes.`,
    );
  }
  return { ...vocabulary, withoutTruth: withoutTruth as string[] };
}

/** The text of `attributes.json`. */
export function formatVocabulary(vocabulary: AttributeVocabulary): string {
  checkVocabulary(vocabulary);
  const { groups, withoutTruth, ...rules } = vocabulary;
  return `${JSON.stringify({ version: 1, ...rules, groups, without_truth: withoutTruth }, null, 2)}\n`;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === "string" && item !== "");
}
