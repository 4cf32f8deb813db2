import type { AttributeVocabulary } from "@villa/data";

/** A place where a text names an attribute. */
export interface MentionedTerm {
  readonly start: number;
  readonly end: number;
  readonly attribute: string;
}

/**
 * Where a text names attributes, by name or synonym, as whole words and whatever their case. Where terms overlap, the
 * longer one counts: "light blue" is not "blue".
 */
export function mentionedTerms(text: string, { groups }: AttributeVocabulary): MentionedTerm[] {
  const attributeOf = new Map<string, string>();
  for (const { attributes, synonyms } of groups) {
    for (const attribute of attributes) {
      for (const term of [attribute, ...(synonyms?.[attribute] ?? [])]) attributeOf.set(plain(term), attribute);
    }
  }
  const terms = [...attributeOf.keys()].sort((a, b) => b.length - a.length);
  const pattern = terms.map((term) => term.split(" ").map(escaped).join("\\s+")).join("|");
  const mentions = text.matchAll(new RegExp(`(?<![\\p{L}\\p{N}])(?:${pattern})(?![\\p{L}\\p{N}])`, "giu"));
  return Array.from(mentions, ({ 0: term, index }) => ({
    start: index,
    end: index + term.length,
    attribute: attributeOf.get(plain(term)) ?? term,
  }));
}

const plain = (term: string): string => term.trim().toLowerCase().replace(/\s+/g, " ");
const escaped = (word: string): string => word.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&");
