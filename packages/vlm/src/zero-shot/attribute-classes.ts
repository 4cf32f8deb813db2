import { type AttributeVocabulary, checkArgument, VillaError } from "@villa/data";

/** A class of regions: those that have all of its attributes. */
export interface AttributeClass {
  readonly name: string;
  readonly attributes: readonly string[];
}

/**
 * Classes of a dataset whose truth is attributes: each word is an attribute, the name of a group (all of its attributes), or
 * groups joined by `+` (every pair, such as each digit in each colour).
 *
 * @param words default the first group
 * @throws VillaError `InvalidArgument` for a word that is neither, or fewer than two classes
 */
export function attributeClasses(vocabulary: AttributeVocabulary, words?: readonly string[]): AttributeClass[] {
  checkArgument("vocabulary", vocabulary, { groups: ["object"], "mentions?": "'words' | 'words-negated-too'" });
  checkArgument("words?", words, ["text"]);

  const { groups } = vocabulary;
  const first = groups[0];
  const chosen = words && words.length > 0 ? words : first ? [first.name] : [];
  const known = new Set(groups.flatMap(({ attributes }) => attributes));
  const membersOf = (word: string): readonly string[] => {
    const group = groups.find(({ name }) => name === word);
    if (group) return group.attributes;
    if (known.has(word)) return [word];
    throw new VillaError(
      "InvalidArgument",
      `"${word}" is neither an attribute nor a group of the dataset; its groups are ${groups.map(({ name }) => name).join(", ")}.`,
    );
  };
  const classes = chosen.flatMap((word) => {
    if (known.has(word) || !word.includes("+")) return membersOf(word).map((name) => [name]);
    return word
      .split("+")
      .map((part) => membersOf(part.trim()))
      .reduce<string[][]>((all, members) => all.flatMap((each) => members.map((name) => [...each, name])), [[]]);
  });
  const named = new Map(classes.map((attributes) => [attributes.join(" "), attributes]));
  if (named.size < 2) {
    throw new VillaError("InvalidArgument", `Give at least two classes to choose among, not ${named.size}.`);
  }
  return [...named].map(([name, attributes]) => ({ name, attributes }));
}

/** Whether a region with these attributes is of the class. */
export function hasClass(attributes: readonly string[], wanted: AttributeClass): boolean {
  checkArgument("attributes", attributes, ["text"]);
  checkArgument("wanted", wanted, { attributes: ["text"] });
  return wanted.attributes.every((attribute) => attributes.includes(attribute));
}
