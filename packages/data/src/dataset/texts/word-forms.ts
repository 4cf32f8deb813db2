/// <reference path="./wink-porter2-stemmer.d.ts" />
import stem from "wink-porter2-stemmer";

/** Plurals that no rule makes, and singulars that look like plurals. */
const irregular: ReadonlyMap<string, string> = new Map(
  [
    "men man, women woman, children child, people person, feet foot, teeth tooth, geese goose, mice mouse",
    "leaves leaf, shelves shelf, wolves wolf, halves half, calves calf, loaves loaf, scarves scarf, hooves hoof",
    "knives knife, lives life, wives wife, lens lenses, bus buses, gas gases, foci focus, hila hilum",
    "bronchi bronchus, thrombi thrombus, emboli embolus, nuclei nucleus, calculi calculus, fungi fungus",
  ].flatMap((line) => line.split(", ").map((pair) => pair.split(" ") as [string, string])),
);

/**
 * What all inflections of an English word have in common: its stem by Porter's second algorithm, as wink-porter2-stemmer
 * has it, behind what this does not know: irregular plurals, and Latin and Greek ones, "diagnoses", "vertebrae",
 * "pneumothoraces". Related words may share it, such as "consolidated" and "consolidation".
 *
 * @param word in lower case; numbers and words of less than three letters stay as they are
 */
export function wordStem(word: string): string {
  if (!/^\p{L}{3,}$/u.test(word)) return word;
  const plain = (irregular.get(word) ?? word)
    .replace(/sis$/, "ses")
    .replace(/thoraces$/, "thorax")
    .replace(/(?<=[^aeiou])ae$/, "a");
  return stem(plain);
}
