import { nearestName } from "@villa/core";
import { type AttributeVocabulary, attributeNames } from "@villa/data";

/** What a query asks for. */
export interface ParsedQuery {
  /** Indices of attributes, in the vocabulary's order. */
  readonly attributes: readonly number[];
  /** A sentence about words that mean nothing here. */
  readonly hint?: string | undefined;
}

/** Words that a question may have besides attributes. */
const fillers = new Set(
  "a an the is are of in on to be with and or that which where show find me it its image digit number color colour shape size outline".split(
    " ",
  ),
);
const numerals = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

/** Finds the attributes that a text such as "a red 7 in a small circle" names. */
export function parseQuery(text: string, vocabulary: AttributeVocabulary): ParsedQuery {
  const names = attributeNames(vocabulary);
  const found = new Set<number>();
  const unknown: string[] = [];
  for (const word of text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []) {
    const attribute = [word, numerals[Number(word)], word.replace(/e?s$/, ""), word.replace(/s$/, "")]
      .map((form) => names.findIndex((name) => name.toLowerCase() === form))
      .find((index) => index >= 0);
    if (attribute !== undefined) found.add(attribute);
    else if (!fillers.has(word)) unknown.push(word);
  }
  const attributes = [...found].sort((a, b) => a - b);
  const hint = hintFor(unknown, attributes.length, names);
  return { attributes, hint };
}

function hintFor(unknown: readonly string[], found: number, names: readonly string[]): string | undefined {
  const [word] = unknown;
  if (word !== undefined) {
    const near = nearestName(word, names);
    return `“${word}” is not an attribute of this dataset${near ? `; did you mean “${near}”?` : "."}`;
  }
  return found === 0 ? `Name at least one attribute: ${names.join(", ")}.` : undefined;
}
