import {
  type ArgumentRule,
  type AttributeGroup,
  AttributeMentions,
  type AttributeVocabulary,
  checkArgument,
  isEnglish,
  parseJson,
  type UncertainChoice,
  VillaError,
} from "@villa/data";

/** Sentences about attributes of which nothing more is known. */
export const defaultTemplates: readonly string[] = ["{}", "there is {}", "a picture of {}", "it shows {}"];

/** How texts are read for attributes, whatever these are. */
export interface TextRules {
  /**
   * Whether mentions such as "no lid" do not count. Default: true in English, the only language whose denials are
   * known.
   */
  readonly negation?: boolean | undefined;
  /** Of the texts, as a BCP 47 tag. Default "en". */
  readonly language?: string | undefined;
  /** Whether a mention may be any form of an attribute's words: "mugs" for "mug". English only. Default false. */
  readonly inflections?: boolean | undefined;
  /** What "possible edema" says of edema. Default `positive`. English only. */
  readonly uncertain?: UncertainChoice | undefined;
}

const textRules: ArgumentRule = {
  "negation?": "boolean",
  "language?": "text",
  "inflections?": "boolean",
  "uncertain?": "'positive' | 'negative' | 'omit'",
};

/**
 * Reads a file of attributes. Either a list, each entry a word or `{ name, synonyms?, templates? }`, or groups as in a
 * dataset's attributes.json, whose `attributes` may be such entries too:
 *
 * `{ "groups": [{ "name": "colour", "templates": ["the colour is {}"], "attributes": ["red", { "name": "grey",
 * "synonyms": ["gray", "silver"] }] }] }`
 *
 * `without_truth` beside the groups lists the groups and attributes that the table's true attributes of regions do not
 * cover; without it, they are found out: see the README.
 *
 * @param rules come before those that a dataset's attributes.json has
 * @throws VillaError `InvalidFile` saying which entry is wrong
 */
export function parseAttributeFile(json: string, rules: TextRules = {}): AttributeVocabulary {
  checkArgument("json", json, "text");
  checkArgument("rules?", rules, textRules);
  return readAttributeFile(json, rules).vocabulary;
}

/** A file of attributes, and how to find out which of them truth covers. */
export interface AttributeFile {
  /** Its `withoutTruth` is what the file says. */
  readonly vocabulary: AttributeVocabulary;
  /** Attributes that truth covers together or not at all: those of a group, and each of a plain list by itself. */
  readonly coveredTogether: readonly (readonly string[])[];
}

/** {@link parseAttributeFile}, with what else the file tells. */
export function readAttributeFile(json: string, rules: TextRules = {}): AttributeFile {
  const value = parseJson(json, "The file of attributes");
  const own = isRecord(value) ? value : {};
  const language = rules.language ?? (typeof own.language === "string" ? own.language : undefined);
  const negation = rules.negation ?? isEnglish(language);
  const inflections = rules.inflections ?? own.inflections === true;
  const uncertain = rules.uncertain ?? choiceOf(own.uncertain);
  if (!isEnglish(language) && (inflections || uncertain !== "positive")) {
    const which = inflections ? "Inflections" : "Doubts";
    throw new VillaError(
      "InvalidArgument",
      `${which} are known in English alone, not in "${language}"; leave them out.`,
    );
  }
  const sources = Array.isArray(value)
    ? [{ name: "attribute", attributes: value }]
    : isRecord(value)
      ? value.groups
      : undefined;
  if (!Array.isArray(sources)) {
    throw new VillaError("InvalidFile", 'The file of attributes holds neither a list nor {"groups": […]}.');
  }
  const bySource = sources.map((source: unknown, i) => readGroup(source, i));
  const groups = bySource.flat();
  const names = groups.flatMap(({ attributes }) => attributes);
  const seen = new Map<string, string>();
  for (const name of names) {
    const other = seen.get(name.toLowerCase());
    if (other === name) throw new VillaError("InvalidFile", `The attribute "${name}" is named twice.`);
    if (other !== undefined) {
      throw new VillaError(
        "InvalidFile",
        `The attributes "${other}" and "${name}" differ in case alone; write them alike, or give a file of attributes, which finds both by one name.`,
      );
    }
    seen.set(name.toLowerCase(), name);
  }
  if (names.length === 0) throw new VillaError("InvalidFile", "The file of attributes names none.");
  const withoutTruth = isRecord(value)
    ? readWithoutTruth(value.without_truth, sources as Source[], bySource)
    : undefined;
  const vocabulary: AttributeVocabulary = {
    mentions: negation ? "words" : "words-negated-too",
    language: isEnglish(language) ? undefined : language,
    inflections: inflections || undefined,
    uncertain: uncertain === "positive" ? undefined : uncertain,
    groups,
    withoutTruth,
  };
  new AttributeMentions(vocabulary); // refuses names without a word
  const coveredTogether = Array.isArray(value)
    ? names.map((name) => [name])
    : bySource.map((own) => own.flatMap(({ attributes }) => attributes));
  return { vocabulary, coveredTogether };
}

/**
 * Attributes that regions' truth does not cover: what the file says, else every group of which no region has an attribute.
 *
 * @param trueAttributes all that any region of the table truly has; empty where the table has no truth
 */
export function attributesWithoutTruth(
  { vocabulary, coveredTogether }: AttributeFile,
  trueAttributes: ReadonlySet<string>,
): readonly string[] {
  if (trueAttributes.size === 0) return [];
  if (vocabulary.withoutTruth) return vocabulary.withoutTruth;
  return coveredTogether.filter((own) => !own.some((name) => trueAttributes.has(name))).flat();
}

type Source = Readonly<Record<string, unknown>>;

function readWithoutTruth(
  given: unknown,
  sources: readonly Source[],
  bySource: readonly (readonly AttributeGroup[])[],
): string[] | undefined {
  if (given === undefined) return undefined;
  if (!isTexts(given)) fail('"without_truth" is not a list of groups and attributes');
  const byName = new Map(sources.map(({ name }, i) => [name, bySource[i]!.flatMap(({ attributes }) => attributes)]));
  const known = new Set([...byName.values()].flat());
  const all = given.flatMap((name) => {
    if (known.has(name)) return [name];
    return byName.get(name) ?? fail(`"without_truth" names "${name}", which is neither a group nor an attribute`);
  });
  return [...new Set(all)];
}

/** The attributes that a table has, as if a file listed them. */
export function tableAttributes(names: readonly string[], rules: TextRules = {}): AttributeFile {
  return readAttributeFile(JSON.stringify(names), rules);
}

/** One group, and one for each attribute that has templates of its own. */
function readGroup(source: unknown, index: number): AttributeGroup[] {
  const { name, attributes, templates = defaultTemplates, synonyms: known } = isRecord(source) ? source : {};
  if (typeof name !== "string" || name === "") fail(`group ${index + 1} has no name`);
  if (!Array.isArray(attributes)) fail(`the group "${name}" has no list of attributes`);
  checkTemplates(templates, `the group "${name}"`);
  const shared: string[] = [];
  // Attributes may be called "__proto__": synonyms have no prototype.
  const synonyms: Record<string, readonly string[]> = Object.assign(Object.create(null), isRecord(known) ? known : {});
  const single: AttributeGroup[] = [];
  for (const [i, entry] of attributes.entries()) {
    const attribute = typeof entry === "string" ? { name: entry } : isRecord(entry) ? entry : {};
    const own = attribute.name;
    if (typeof own !== "string" || own.trim() === "") fail(`attribute ${i + 1} of the group "${name}" has no name`);
    if (attribute.synonyms !== undefined && !isTexts(attribute.synonyms)) {
      fail(`the synonyms of "${own}" are not a list of words`);
    }
    const others = attribute.synonyms ?? [];
    if (attribute.templates === undefined) {
      shared.push(own);
      if (others.length > 0) synonyms[own] = others;
    } else {
      checkTemplates(attribute.templates, `"${own}"`);
      const words = others.length > 0 ? { [own]: others } : undefined;
      single.push({ name: own, attributes: [own], templates: attribute.templates, synonyms: words });
    }
  }
  for (const [key, words] of Object.entries(synonyms)) {
    if (!shared.includes(key) || !isTexts(words))
      fail(`the synonyms of "${key}" are not a list of words for an attribute`);
  }
  const words = Object.keys(synonyms).length > 0 ? synonyms : undefined;
  return shared.length > 0 ? [{ name, attributes: shared, templates, synonyms: words }, ...single] : single;
}

function choiceOf(value: unknown): UncertainChoice {
  if (value === undefined || value === "positive") return "positive";
  return value === "negative" || value === "omit" ? value : fail('"uncertain" is not positive, negative or omit');
}

function checkTemplates(templates: unknown, where: string): asserts templates is readonly string[] {
  if (!isTexts(templates) || templates.length === 0) fail(`${where} has no templates`);
  const bad = templates.find((template) => !template.includes("{}"));
  if (bad !== undefined) fail(`the template "${bad}" of ${where} does not contain {}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string" && item !== "");
}

function fail(why: string): never {
  throw new VillaError("InvalidFile", `The file of attributes is wrong: ${why}.`);
}
