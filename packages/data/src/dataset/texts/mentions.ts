import { VillaError } from "../../errors.ts";
import { quote } from "../../formats/describe.ts";
import { type AttributeVocabulary, checkVocabulary } from "../vocabulary.ts";
import { denialTest, doubtTest, isDenial, isDoubt, type ScopeTest } from "./negation.ts";
import { isEnglish } from "./prose-sentences.ts";
import { wordStem } from "./word-forms.ts";

/** A stretch of text within which a negation reaches. */
interface Clause {
  /** Lower-cased words, and commas. */
  readonly words: string[];
  /** Whether a colon ends it. */
  hasColon: boolean;
}

/** "no-slip" (a compound, which denies nothing), a word, a number with its decimals, or what separates clauses. */
const tokenPattern =
  /(?<![\p{L}\p{N}])no-(?=\p{L})|\p{N}+(?:[.,]\p{N}+)+|[\p{L}\p{N}\p{M}]+(?:['’]\p{L}+)?|[.;:!?,\n]/gu;
const clauseEnds = new Set([".", ";", ":", "!", "?", "\n"]);
/** Words that begin a clause of their own. */
const contrasts =
  /(?<![^\s,])(?:but|however|although|though|except|whereas|while|yet|nevertheless|nonetheless|besides|(?:aside|apart) from|other than|there(?: is| are| was| were|'s| remains?))(?![^\s,])/g;

/** What a text says of an attribute that it mentions. */
export type MentionState = "present" | "uncertain" | "denied";

/** A word of a term: the word itself, one of several words or beginnings of words, or up to three words of any kind. */
type TermWord = string | readonly { readonly word: string; readonly isBeginning: boolean }[] | undefined;

interface Term {
  readonly words: readonly TermWord[];
  readonly attribute: string;
}

const none: readonly Term[] = [];

/** Words that a `*` between two others may stand for. */
const widestGap = 3;

/**
 * Finds the attributes that a text says are there: as whole words, whatever their case, by name or synonym; with
 * `inflections` by any form of these words. A synonym may be a pattern: `opacit*` is any word that begins so,
 * `enlarged|prominent heart` either of two words, and a `*` by itself up to three words: `enlarged * heart`.
 *
 * A mention counts unless it is denied, which is decided by a simple form of NegEx (Chapman et al. 2001): "no", "not",
 * "without", "absence of", "denies", "negative for", "free of" and the like deny everything after them up to the end of
 * the clause (`.` `;` `:` `!` `?`, a line's end, "but", "however", "other than", "there is", …); a comma does not end it,
 * so "no effusion, edema or fracture" denies all three, unless a part behind it says something of its own: "no fracture,
 * effusion is small". "absent", "not seen", "ruled out", "resolved" deny what stands
 * before them, back to a comma or the beginning of a list "a, b and c". "Effusion: none" denies too. "no change", "not
 * only", "cannot be ruled out" and the like deny nothing, and neither does a word of the attribute's own name ("no
 * finding"). An attribute with at least one mention that is not denied is there; a possessive 's is ignored.
 *
 * "possible", "probably", "may represent", "suspicious for", "cannot be excluded" and the like doubt what they reach by
 * the same rule. The vocabulary's `uncertain` says whether what is doubted, and nowhere said to be there, counts.
 *
 * Denials, doubts and inflections are known in English alone.
 *
 * @example new AttributeMentions(vocabulary).find("A red mug without a lid.") // ["red", "mug"]
 */
export class AttributeMentions {
  readonly #order: ReadonlyMap<string, number>;
  /** First word → the terms that begin with it. */
  readonly #terms = new Map<string, Term[]>();
  /** Terms that begin with a pattern. */
  readonly #patterns: Term[] = [];
  readonly #negation: boolean;
  readonly #inflections: boolean;
  readonly #doubts: boolean;
  readonly #uncertainCounts: boolean;

  /** @throws VillaError `InvalidArgument` for a name or synonym without a letter or digit */
  constructor(vocabulary: AttributeVocabulary) {
    checkVocabulary(vocabulary);
    const { groups, mentions, language, inflections = false, uncertain = "positive" } = vocabulary;
    this.#negation = mentions !== "words-negated-too";
    this.#inflections = inflections;
    this.#doubts = isEnglish(language);
    this.#uncertainCounts = uncertain === "positive";
    this.#order = new Map(groups.flatMap(({ attributes }) => attributes).map((name, i) => [name, i]));
    for (const { attributes, synonyms } of groups) {
      for (const attribute of attributes) {
        const others = synonyms && Object.hasOwn(synonyms, attribute) ? (synonyms[attribute] ?? []) : [];
        this.#add(attribute, attribute, false);
        for (const term of others) this.#add(term, attribute, true);
      }
    }
  }

  /** Attributes that the text says are there, in the vocabulary's order. */
  find(text: string): string[] {
    return this.counted(this.states(text));
  }

  /** Of `states()`, those attributes that {@link find} gives. */
  counted(states: ReadonlyMap<string, MentionState>): string[] {
    const counts = (state: MentionState) => state === "present" || (state === "uncertain" && this.#uncertainCounts);
    return [...states].flatMap(([attribute, state]) => (counts(state) ? [attribute] : []));
  }

  /**
   * What the text says of each attribute that it mentions, in the vocabulary's order: a mention that is neither denied nor
   * doubted outweighs others, and a doubted one those that are denied.
   */
  states(text: string): Map<string, MentionState> {
    const found = new Map<string, MentionState>();
    const clauses = clausesOf(text);
    for (const [i, { words, hasColon }] of clauses.entries()) {
      const answer = hasColon ? (clauses[i + 1]?.words ?? []) : [];
      const isAnsweredNo = this.#negation && isDenial(answer);
      const isAnsweredMaybe = this.#doubts && isDoubt(answer);
      const forms = this.#inflections ? words.map(wordStem) : words;
      // Most clauses mention nothing.
      let denies: ScopeTest | undefined;
      let doubts: ScopeTest | undefined;
      for (let at = 0; at < words.length; at++) {
        const terms = this.#terms.get(forms[at]!) ?? none;
        for (const term of this.#patterns.length === 0 ? terms : [...terms, ...this.#patterns]) {
          const known = found.get(term.attribute);
          const stretches = known === "present" ? undefined : stretchesOf(term.words, forms, at);
          if (!stretches) continue;
          denies ??= this.#negation ? denialTest(words) : () => false;
          doubts ??= this.#doubts ? doubtTest(words) : () => false;
          const isReached = (test: ScopeTest) => stretches.some(([from, to]) => test(from, to));
          if (isAnsweredNo || isReached(denies)) found.set(term.attribute, known ?? "denied");
          else found.set(term.attribute, isAnsweredMaybe || isReached(doubts) ? "uncertain" : "present");
        }
      }
    }
    return new Map([...found].sort(([a], [b]) => this.#order.get(a)! - this.#order.get(b)!));
  }

  #add(term: string, attribute: string, mayBePattern: boolean): void {
    const words =
      mayBePattern && /[*|]/.test(term)
        ? patternOf(term, (word) => this.#form(word))
        : clausesOf(term, false).flatMap((clause) => clause.words.map((word) => this.#form(word)));
    const [first] = words;
    if (words.length === 0 || first === undefined || words.at(-1) === undefined) {
      const why = words.length === 0 ? "has no letter or digit in" : "has a * where no word limits it, in";
      throw new VillaError("InvalidArgument", `The attribute ${quote(attribute)} ${why} ${quote(term)}.`);
    }
    if (typeof first === "string") this.#terms.set(first, [...(this.#terms.get(first) ?? []), { words, attribute }]);
    else this.#patterns.push({ words, attribute });
  }

  #form(word: string): string {
    return this.#inflections ? wordStem(word) : word;
  }
}

/** Words [from, to). */
type Stretch = readonly [from: number, to: number];

/**
 * The words of a term that begins at a word, without those that it skips, which may deny it: "heart is not enlarged".
 *
 * @returns undefined where the term does not stand there
 */
function stretchesOf(term: readonly TermWord[], words: readonly string[], at: number): readonly Stretch[] | undefined {
  /** By the place where they end: the ways in which the term has been found so far. */
  let ways = new Map<number, readonly Stretch[]>([[at, [[at, at]]]]);
  for (const each of term) {
    const longer = new Map<number, readonly Stretch[]>();
    for (const [end, stretches] of ways) {
      if (each === undefined) {
        for (let to = end; to <= end + widestGap && words[to - 1] !== ","; to++) {
          if (!longer.has(to)) longer.set(to, [...stretches, [to, to]]);
        }
      } else if (fits(each, words[end])) {
        longer.set(end + 1, [...stretches.slice(0, -1), [stretches.at(-1)![0], end + 1]]);
      }
    }
    if (longer.size === 0) return undefined;
    ways = longer;
  }
  return [...ways.values()][0];
}

function fits(each: Exclude<TermWord, undefined>, word: string | undefined): boolean {
  if (typeof each === "string" || word === undefined) return each === word;
  return each.some((other) => (other.isBeginning ? word.startsWith(other.word) : other.word === word));
}

/** @param form what stands for a whole word */
function patternOf(pattern: string, form: (word: string) => string): TermWord[] {
  const pieces = pattern.trim().split(/\s+/);
  return pieces.flatMap((piece): TermWord[] => {
    if (piece === "*") return [undefined];
    if (!/[*|]/.test(piece)) return clausesOf(piece, false).flatMap(({ words }) => words.map(form));
    const words = piece.split("|").flatMap((each) => {
      const isBeginning = each.endsWith("*");
      const [word] = clausesOf(each, false).flatMap((clause) => clause.words);
      return word === undefined ? [] : [{ word: isBeginning ? word : form(word), isBeginning }];
    });
    return words.length === 0 ? [] : [words];
  });
}

/** @param separated whether contrasts begin clauses */
function clausesOf(text: string, separated = true): Clause[] {
  const plain = text
    .toLowerCase()
    .replaceAll("’", "'")
    .replace(/(?<!\S)w\/o(?!\S)/g, "without");
  const clauses: Clause[] = [{ words: [], hasColon: false }];
  for (const [token] of (separated ? plain.replace(contrasts, "\n$&") : plain).matchAll(tokenPattern)) {
    if (!clauseEnds.has(token)) clauses.at(-1)!.words.push(token.replace(/'s$/, ""));
    else {
      clauses.at(-1)!.hasColon = token === ":";
      clauses.push({ words: [], hasColon: false });
    }
  }
  return clauses.filter(({ words }) => words.length > 0);
}
