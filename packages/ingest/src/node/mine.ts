import { AttributeMentions, checkArgument, storedSentences } from "@villa/data";
import { defaultTemplates } from "../attribute-file.ts";

/** A phrase that many texts have, as an entry of a file of attributes. */
export interface MinedAttribute {
  readonly name: string;
  /** Other forms seen: plurals, other spellings. */
  readonly synonyms?: readonly string[] | undefined;
  /** Texts that mention it without denying it. */
  readonly texts: number;
  /** A sentence with it. */
  readonly example: string;
}

/** A proposal for a group of attributes. */
export interface MinedGroup {
  readonly name: string;
  readonly attributes: readonly MinedAttribute[];
}

/** Texts that are looked at; more change little about what is frequent. */
export const mostMinedTexts = 5000;

/**
 * The most frequent noun phrases and adjectives of texts: nouns in the singular, alone and with the adjectives before them,
 * and adjectives alone. A word that occurs nearly always in the same phrase is left out in favour of the phrase. English
 * only.
 *
 * Phrases are found by the grammar of the library compromise; a person should look through them.
 *
 * @param texts sentences joined with " . "; the first 5000 count
 */
export async function mineAttributes(
  texts: AsyncIterable<string> | Iterable<string>,
  count: number,
): Promise<MinedAttribute[]> {
  checkArgument("texts", texts, "iterable");
  checkArgument("count", count, "number");

  const { default: nlp } = await import("compromise");
  const phrases = new Map<string, { texts: number; forms: Set<string>; example: string }>();
  const singular = new Map<string, string>();
  const singularOf = (noun: string, isPlural: boolean): string => {
    if (!isPlural) return noun;
    const known = singular.get(noun) ?? singularForm(noun, (words) => plain(nlp(words).nouns().toSingular().text()));
    singular.set(noun, known);
    return known;
  };
  const seen: string[] = [];
  for await (const text of texts) {
    if (seen.length === mostMinedTexts) break;
    seen.push(text);
    const own = new Set<string>();
    // The library takes "a nodule in the spine" for one phrase; one call a text is much faster than one a phrase.
    const parts = text.split(joints).join(". ");
    const parsed = nlp(parts);
    const nouns = parsed.nouns().json() as { noun?: NounPhrase | undefined }[];
    const adjectives = (parsed.adjectives().out("array") as string[]).map(plain).filter((word) => word !== "");
    const found: [string, string][] = [
      ...nouns.flatMap(({ noun }) => candidates(noun, singularOf)),
      ...adjectives.map((word): [string, string] => [word, word]),
    ];
    for (const [phrase, form] of found) {
      if (own.has(phrase) || !isSaid(phrase, form, text)) continue;
      own.add(phrase);
      const known = phrases.get(phrase) ?? { texts: 0, forms: new Set<string>(), example: "" };
      if (known.texts === 0) {
        const parts = storedSentences(text);
        known.example = parts.find((each) => isSaid(phrase, form, each)) ?? text;
      }
      known.texts++;
      if (form !== phrase) known.forms.add(form);
      phrases.set(phrase, known);
    }
  }
  joinSpellings(phrases);
  recount(phrases, seen);
  const ranked = [...phrases].sort(([a, { texts: m }], [b, { texts: n }]) => n - m || (a < b ? -1 : 1));
  const kept = ranked.filter(
    ([phrase, { texts: own }]) =>
      !ranked.some(
        ([longer, other]) => longer !== phrase && ` ${longer} `.includes(` ${phrase} `) && other.texts >= 0.9 * own,
      ),
  );
  const chosen = new Map(kept.slice(0, count));
  // The grammar overlooks plurals too: where a text has one, it is the same thing.
  for (const [name, { forms }] of chosen) {
    if (nlp(name).has("^#Adjective+$")) continue;
    const noun = nlp(name);
    noun.tag("Noun"); // alone, "box" could be a verb
    const plural = plain(noun.nouns().toPlural().text());
    const isSeen = plural !== "" && plural !== name && seen.some((text) => ` ${plain(text)} `.includes(` ${plural} `));
    if (isSeen && !chosen.has(plural)) forms.add(plural);
  }
  recount(chosen, seen);
  const final = [...chosen].sort(([a, { texts: m }], [b, { texts: n }]) => n - m || (a < b ? -1 : 1));
  return final.map(([name, { texts: own, forms, example }]) => ({
    name,
    synonyms: forms.size > 0 ? [...forms].sort() : undefined,
    texts: own,
    example,
  }));
}

/**
 * Proposes groups for mined attributes: colours, sizes, materials and places by lists of such words, other adjectives as
 * qualities, and what is left, nouns and phrases, as things. Groups are in the order of their most frequent attribute.
 */
export async function proposeGroups(mined: readonly MinedAttribute[]): Promise<MinedGroup[]> {
  checkArgument("mined", mined, [{ name: "text" }]);
  const { default: nlp } = await import("compromise");
  const groups = new Map<string, MinedAttribute[]>();
  for (const attribute of mined) {
    const { name } = attribute;
    const listed = Object.entries(groupWords).find(([, words]) => words.has(name))?.[0];
    const group = listed ?? (nlp(name).has("^#Adjective+$") ? "quality" : "thing");
    groups.set(group, [...(groups.get(group) ?? []), attribute]);
  }
  return [...groups].map(([name, attributes]) => ({ name, attributes }));
}

/** Words that exclude each other where one thing is spoken of. */
const groupWords: Readonly<Record<string, ReadonlySet<string>>> = {
  colour: new Set(
    "beige black blue bronze brown crimson cyan golden gold gray green grey indigo ivory khaki magenta maroon navy olive orange pink purple red scarlet silver tan teal turquoise violet white yellow".split(
      " ",
    ),
  ),
  size: new Set("big enormous huge large little long medium mid-sized short small tall tiny wide narrow".split(" ")),
  material: new Set(
    "cardboard ceramic cotton glass iron leather marble metal metallic paper plastic rubber steel stone wood wooden wool".split(
      " ",
    ),
  ),
  place: new Set(
    "anterior apical back basal bilateral bottom center central centre distal front lateral left lower medial middle posterior proximal right top upper".split(
      " ",
    ),
  ),
};

type Phrases = Map<string, { texts: number; readonly forms: Set<string>; readonly example: string }>;

/** Spellings of one word: with and without hyphen or gap, British and American. The most frequent one is the name. */
function joinSpellings(phrases: Phrases): void {
  const byKey = new Map<string, string[]>();
  for (const phrase of phrases.keys()) {
    const key = spellingKey(phrase);
    byKey.set(key, [...(byKey.get(key) ?? []), phrase]);
  }
  for (const spellings of byKey.values()) {
    const [name, ...others] = spellings.sort(
      (a, b) => phrases.get(b)!.texts - phrases.get(a)!.texts || (a < b ? -1 : 1),
    );
    const own = phrases.get(name!)!;
    for (const other of others) {
      for (const form of [other, ...phrases.get(other)!.forms]) own.forms.add(form);
      phrases.delete(other);
    }
    own.forms.delete(name!);
  }
}

/** Equal for spellings of one word. */
function spellingKey(phrase: string): string {
  return phrase
    .replace(/[\s-]/g, "")
    .replace(/grey/g, "gray")
    .replace(/ae|oe/g, "e")
    .replace(/(?<=[a-z]{2})our(?=ed|s|less|ful|$)/g, "or")
    .replace(/(?<=[a-z]{2})is(?=e|ed|ing|ation)/g, "iz")
    .replace(/(?<=[a-z]{2}[bt])re$/, "er")
    .replace(/ll(?=ed|ing)/g, "l");
}

/**
 * Counts the texts that mention each phrase by the rule by which a dataset finds its attributes: the grammar overlooks
 * some, and counts of two kinds would disagree.
 */
function recount(
  phrases: ReadonlyMap<string, { texts: number; readonly forms: ReadonlySet<string> }>,
  texts: readonly string[],
): void {
  // Without a prototype: a phrase may be "constructor".
  const synonyms: Record<string, readonly string[]> = Object.create(null);
  for (const [phrase, { forms }] of phrases) if (forms.size > 0) synonyms[phrase] = [...forms];
  const groups = [{ name: "", attributes: [...phrases.keys()], templates: defaultTemplates, synonyms }];
  const mentions = new AttributeMentions({ mentions: "words", groups });
  for (const known of phrases.values()) known.texts = 0;
  for (const text of texts) for (const phrase of mentions.find(text)) phrases.get(phrase)!.texts++;
}

/** What the library tells about a noun phrase. */
interface NounPhrase {
  readonly root: string;
  readonly adjectives: readonly string[];
  readonly isPlural: boolean;
}

/** The noun, the noun with its last adjective, and with all; each in the singular and as it stands. */
function candidates(
  noun: NounPhrase | undefined,
  singularOf: (noun: string, isPlural: boolean) => string,
): [phrase: string, form: string][] {
  const root = plain(noun?.root ?? "");
  if (!noun || !/\p{L}{3}/u.test(root) || pronouns.has(root)) return [];
  const one = singularOf(root, noun.isPlural);
  if (one === "") return [];
  const adjectives = noun.adjectives.map(plain).filter((word) => word !== "");
  const starts = [[], adjectives.slice(-1), adjectives].filter((words, i) => i === 0 || words.length >= i);
  return starts.map((words) => [[...words, one].join(" "), [...words, root].join(" ")]);
}

/** The library takes these for plurals, or makes another word of their plural. */
const singulars = new Map([
  ["lens", "lens"],
  ["lenses", "lens"],
  ["gas", "gas"],
  ["gases", "gas"],
  ["series", "series"],
  ["species", "species"],
]);

/** @param other makes the singular of words that are not listed */
function singularForm(noun: string, other: (noun: string) => string): string {
  const last = noun.split(" ").at(-1)!;
  const listed = singulars.get(last);
  return listed === undefined ? other(noun) : `${noun.slice(0, noun.length - last.length)}${listed}`;
}

const joints = /\b(?:and|at|by|for|from|in|near|of|on|or|over|to|under|with)\b/i;
const pronouns = new Set([
  "they",
  "them",
  "this",
  "that",
  "these",
  "those",
  "you",
  "she",
  "her",
  "him",
  "who",
  "which",
]);

/** Whether the text has the phrase as it is, and does not deny it. */
function isSaid(phrase: string, form: string, text: string): boolean {
  const groups = [{ name: "", attributes: [phrase], templates: defaultTemplates, synonyms: { [phrase]: [form] } }];
  return new AttributeMentions({ mentions: "words", groups }).find(text).length > 0;
}

const plain = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}'\s-]/gu, " ")
    .replace(/\s+/g, " ")
    .trim();
