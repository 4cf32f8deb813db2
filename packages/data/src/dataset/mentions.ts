import { VillaError } from "../errors.ts";
import type { AttributeVocabulary } from "./vocabulary.ts";

/** A stretch of text within which a negation reaches: up to a full stop, a colon, a line's end, or "but" and its like. */
interface Clause {
  /** Lower-cased words, and commas. */
  readonly words: string[];
}

/** A word of a text, a number with its decimals, or what separates clauses. */
const tokenPattern = /\p{N}+(?:[.,]\p{N}+)+|[\p{L}\p{N}\p{M}]+(?:['’]\p{L}+)?|[.;:!?,\n]/gu;
const clauseEnds = new Set([".", ";", ":", "!", "?", "\n"]);
const contrasts = new Set(["but", "however", "although", "though", "except", "whereas", "yet", "nevertheless"]);

/** What follows these, up to the end of the clause, is said not to be there. */
const negationsBefore = phrases(
  "no, not, without, never, neither, nor, none of, denies, denied, denying, absence of, absent of, negative for, free of, lacks, lacking, isn't, aren't, wasn't, weren't, doesn't, don't, didn't, hasn't, haven't",
);
/** What stands before these, back to the last comma or the beginning of the clause, is said not to be there. */
const negationsAfter = phrases(
  "absent, ruled out, not seen, not present, not identified, not visible, not visualized, not evident, not there, not included, no longer, resolved, has cleared",
);
/** These contain a word of the lists above and negate nothing. */
const pseudoNegations = phrases(
  "no change, no changes, no interval change, no significant change, no increase, no decrease, no further, no doubt, not only, not just, not necessarily, not certain, not excluded, not ruled out, not be excluded, without difficulty, without change, cannot be ruled out",
);

/**
 * Finds the attributes that a text says are there: as whole words, whatever their case, by name or synonym.
 *
 * A mention counts unless it is negated, which is decided by a simple form of NegEx (Chapman et al. 2001): "no", "not",
 * "without", "absence of", "denies", "negative for", "free of" and the like negate everything after them up to the end of
 * the clause (`.` `;` `:` `!` `?`, a line's end, "but", "however", "although", "except", …); a comma does not end it, so
 * "no effusion, edema or fracture" negates all three. "absent", "not seen", "ruled out", "resolved" negate what stands
 * before them, back to a comma. "no change", "not only", "cannot be ruled out" and the like negate nothing. An attribute
 * with at least one mention that is not negated is there; a possessive 's is ignored; "possible" or "probable" make no difference. English only.
 *
 * @example new AttributeMentions(vocabulary).find("A red mug without a lid.") // ["red", "mug"]
 */
export class AttributeMentions {
  readonly #order: ReadonlyMap<string, number>;
  /** First word → the terms that begin with it. */
  readonly #terms = new Map<string, { readonly words: readonly string[]; readonly attribute: string }[]>();
  readonly #negation: boolean;

  /** @throws VillaError `InvalidArgument` for a name or synonym without a letter or digit */
  constructor({ groups, mentions }: AttributeVocabulary) {
    this.#negation = mentions !== "words-negated-too";
    this.#order = new Map(groups.flatMap(({ attributes }) => attributes).map((name, i) => [name, i]));
    for (const { attributes, synonyms } of groups) {
      for (const attribute of attributes) {
        for (const term of [attribute, ...(synonyms?.[attribute] ?? [])]) this.#add(term, attribute);
      }
    }
  }

  /** Attributes that the text says are there, in the vocabulary's order. */
  find(text: string): string[] {
    const found = new Set<string>();
    for (const { words } of clausesOf(text)) {
      const negated = this.#negation ? negatedWords(words) : undefined;
      words.forEach((word, at) => {
        for (const term of this.#terms.get(word) ?? []) {
          const isThere = term.words.every((each, i) => words[at + i] === each && !negated?.[at + i]);
          if (isThere) found.add(term.attribute);
        }
      });
    }
    return [...found].sort((a, b) => this.#order.get(a)! - this.#order.get(b)!);
  }

  #add(term: string, attribute: string): void {
    const words = clausesOf(term).flatMap((clause) => clause.words);
    const [first] = words;
    if (first === undefined) {
      throw new VillaError("InvalidArgument", `The attribute "${attribute}" has no letter or digit in "${term}".`);
    }
    this.#terms.set(first, [...(this.#terms.get(first) ?? []), { words, attribute }]);
  }
}

function clausesOf(text: string): Clause[] {
  const clauses: Clause[] = [{ words: [] }];
  for (const [token] of text.toLowerCase().replaceAll("’", "'").matchAll(tokenPattern)) {
    if (clauseEnds.has(token) || contrasts.has(token)) clauses.push({ words: [] });
    else clauses.at(-1)!.words.push(token.replace(/'s$/, ""));
  }
  return clauses.filter(({ words }) => words.length > 0);
}

/** @returns [words] whether each word of a clause is negated */
function negatedWords(words: readonly string[]): boolean[] {
  const negated = words.map(() => false);
  for (let at = 0; at < words.length; ) {
    const pseudo = longest(pseudoNegations, words, at);
    if (pseudo > 0) {
      at += pseudo;
      continue;
    }
    const after = longest(negationsAfter, words, at);
    if (after > 0) negated.fill(true, words.lastIndexOf(",", at) + 1, at);
    const before = longest(negationsBefore, words, at);
    if (before > 0) negated.fill(true, at + before);
    at += Math.max(1, before, after);
  }
  return negated;
}

/** Words of the longest phrase that stands at a position; 0 for none. */
function longest(list: readonly (readonly string[])[], words: readonly string[], at: number): number {
  return list.reduce(
    (best, phrase) =>
      phrase.length > best && phrase.every((word, i) => words[at + i] === word) ? phrase.length : best,
    0,
  );
}

function phrases(text: string): string[][] {
  return text.split(", ").map((phrase) => phrase.split(" "));
}
