import { nearestName } from "@villa/core";
import { type AttributeVocabulary, attributeNames } from "@villa/data";

/** One condition of a query: any of some attributes, or none of them. */
export interface QueryClause {
  /** Indices of attributes, in the order in which they are named. */
  readonly anyOf: readonly number[];
  /** "not red": the region must have none of them. */
  readonly negated: boolean;
}

/** What a query asks for: all of its clauses. */
export interface ParsedQuery {
  readonly clauses: readonly QueryClause[];
  /** A sentence about words that mean nothing here. */
  readonly hint?: string | undefined;
}

/** Words that a question may have besides attributes. */
const fillers = new Set(
  "a an the is are of in on to be with and that which where show find me it its image digit number color colour shape size outline either but".split(
    " ",
  ),
);
const negations = new Set(["not", "no", "without", "except", "neither", "nor", "isn", "non"]);
const numerals = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

/**
 * Finds the attributes that a text such as "a red one or two, not in a circle" names. "or" joins its two neighbours to one
 * condition; a negation holds for the next attribute and for those joined to it.
 */
export function parseQuery(text: string, vocabulary: AttributeVocabulary): ParsedQuery {
  const names = attributeNames(vocabulary);
  const clauses: { anyOf: number[]; negated: boolean }[] = [];
  const unknown: string[] = [];
  let negated = false;
  let joins = false;
  for (const word of text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []) {
    const attribute = findAttribute(word, names);
    if (attribute !== undefined) {
      const last = clauses.at(-1);
      if (joins && last && !negated) last.anyOf.push(attribute);
      else clauses.push({ anyOf: [attribute], negated });
      negated = false;
      joins = false;
    } else if (word === "or") joins = true;
    else if (negations.has(word)) negated = true;
    else if (!fillers.has(word)) unknown.push(word);
  }
  return { clauses, hint: hintFor(unknown, clauses.length, names) };
}

function findAttribute(word: string, names: readonly string[]): number | undefined {
  return [word, numerals[Number(word)], word.replace(/e?s$/, ""), word.replace(/s$/, "")]
    .map((form) => names.findIndex((name) => name.toLowerCase() === form))
    .find((index) => index >= 0);
}

/** The query as it was understood: "red + (one or two) + not circle". */
export function queryInWords({ clauses }: ParsedQuery, names: readonly string[]): string {
  return clauses
    .map(({ anyOf, negated }) => {
      const words = anyOf.map((attribute) => names[attribute]).join(" or ");
      const group = anyOf.length > 1 && (negated || clauses.length > 1) ? `(${words})` : words;
      return negated ? `not ${group}` : group;
    })
    .join(" + ");
}

function hintFor(unknown: readonly string[], found: number, names: readonly string[]): string | undefined {
  const [word] = unknown;
  if (word !== undefined) {
    const near = nearestName(word, names);
    return `“${word}” is not an attribute of this dataset${near ? `; did you mean “${near}”?` : "."}`;
  }
  return found === 0 ? `Name at least one attribute: ${names.join(", ")}.` : undefined;
}
