import { AttributeMentions, storedSentences } from "@villa/data";
import { defaultTemplates } from "../attribute-file.ts";

/** A phrase that many texts have, as an entry of a file of attributes. */
export interface MinedAttribute {
  readonly name: string;
  /** Other forms seen: plurals. */
  readonly synonyms?: readonly string[] | undefined;
  /** Texts that mention it without denying it. */
  readonly texts: number;
  /** A sentence with it. */
  readonly example: string;
}

/** Texts that are looked at; more change little about what is frequent. */
export const mostMinedTexts = 5000;

/**
 * The most frequent noun phrases of texts: nouns in the singular, alone and with the adjectives before them. A noun that
 * occurs nearly always with the same adjective is left out in favour of both together. English only.
 *
 * Phrases are found by the grammar of the library compromise; a person should look through them.
 *
 * @param texts sentences joined with " . "; the first 5000 count
 */
export async function mineAttributes(
  texts: AsyncIterable<string> | Iterable<string>,
  count: number,
): Promise<MinedAttribute[]> {
  const { default: nlp } = await import("compromise");
  const phrases = new Map<string, { texts: number; forms: Set<string>; example: string }>();
  const singular = new Map<string, string>();
  const singularOf = (noun: string, isPlural: boolean): string => {
    if (!isPlural) return noun;
    const known = singular.get(noun) ?? plain(nlp(noun).nouns().toSingular().text());
    singular.set(noun, known);
    return known;
  };
  let seen = 0;
  for await (const text of texts) {
    if (seen++ === mostMinedTexts) break;
    const own = new Set<string>();
    // The library takes "a nodule in the spine" for one phrase; one call a text is much faster than one a phrase.
    const parts = text.split(joints).join(". ");
    const nouns = nlp(parts).nouns().json() as { noun?: NounPhrase | undefined }[];
    for (const [phrase, form] of nouns.flatMap(({ noun }) => candidates(noun, singularOf))) {
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
  const ranked = [...phrases].sort(([a, { texts: m }], [b, { texts: n }]) => n - m || (a < b ? -1 : 1));
  const kept = ranked.filter(
    ([phrase, { texts: own }]) =>
      !ranked.some(([longer, other]) => longer.endsWith(` ${phrase}`) && other.texts >= 0.9 * own),
  );
  return kept.slice(0, count).map(([name, { texts: own, forms, example }]) => ({
    name,
    synonyms: forms.size > 0 ? [...forms].sort() : undefined,
    texts: own,
    example,
  }));
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
