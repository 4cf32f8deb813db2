import { VillaError } from "../../errors.ts";
import { quote } from "../../formats/describe.ts";
import { type AttributeVocabulary, checkVocabulary } from "../vocabulary.ts";
import { type DenialTest, denialTest, isDenial } from "./negation.ts";

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

/**
 * Finds the attributes that a text says are there: as whole words, whatever their case, by name or synonym.
 *
 * A mention counts unless it is denied, which is decided by a simple form of NegEx (Chapman et al. 2001): "no", "not",
 * "without", "absence of", "denies", "negative for", "free of" and the like deny everything after them up to the end of
 * the clause (`.` `;` `:` `!` `?`, a line's end, "but", "however", "other than", "there is", …); a comma does not end it,
 * so "no effusion, edema or fracture" denies all three, unless a part behind it says something of its own: "no fracture,
 * effusion is small". "absent", "not seen", "ruled out", "resolved" deny what stands
 * before them, back to a comma or the beginning of a list "a, b and c". "Effusion: none" denies too. "no change", "not
 * only", "cannot be ruled out" and the like deny nothing, and neither does a word of the attribute's own name ("no
 * finding"). An attribute with at least one mention that is not denied is there; a possessive 's is ignored; "possible" or
 * "probable" make no difference. English only.
 *
 * @example new AttributeMentions(vocabulary).find("A red mug without a lid.") // ["red", "mug"]
 */
export class AttributeMentions {
  readonly #order: ReadonlyMap<string, number>;
  /** First word → the terms that begin with it. */
  readonly #terms = new Map<string, { readonly words: readonly string[]; readonly attribute: string }[]>();
  readonly #negation: boolean;

  /** @throws VillaError `InvalidArgument` for a name or synonym without a letter or digit */
  constructor(vocabulary: AttributeVocabulary) {
    checkVocabulary(vocabulary);
    const { groups, mentions } = vocabulary;
    this.#negation = mentions !== "words-negated-too";
    this.#order = new Map(groups.flatMap(({ attributes }) => attributes).map((name, i) => [name, i]));
    for (const { attributes, synonyms } of groups) {
      for (const attribute of attributes) {
        const others = synonyms && Object.hasOwn(synonyms, attribute) ? (synonyms[attribute] ?? []) : [];
        for (const term of [attribute, ...others]) this.#add(term, attribute);
      }
    }
  }

  /** Attributes that the text says are there, in the vocabulary's order. */
  find(text: string): string[] {
    const found = new Set<string>();
    const clauses = clausesOf(text);
    for (const [i, { words, hasColon }] of clauses.entries()) {
      if (this.#negation && hasColon && isDenial(clauses[i + 1]?.words ?? [])) continue;
      // Most clauses mention nothing.
      let isDenied: DenialTest | undefined;
      words.forEach((word, at) => {
        for (const term of this.#terms.get(word) ?? []) {
          if (found.has(term.attribute) || !term.words.every((each, j) => words[at + j] === each)) continue;
          isDenied ??= this.#negation ? denialTest(words) : () => false;
          if (!isDenied(at, at + term.words.length)) found.add(term.attribute);
        }
      });
    }
    return [...found].sort((a, b) => this.#order.get(a)! - this.#order.get(b)!);
  }

  #add(term: string, attribute: string): void {
    const words = clausesOf(term, false).flatMap((clause) => clause.words);
    const [first] = words;
    if (first === undefined) {
      throw new VillaError(
        "InvalidArgument",
        `The attribute ${quote(attribute)} has no letter or digit in ${quote(term)}.`,
      );
    }
    this.#terms.set(first, [...(this.#terms.get(first) ?? []), { words, attribute }]);
  }
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
