import {
  checkArgument,
  type DatasetTexts,
  joinSentences,
  originalTexts,
  type RandomState,
  type SentencedText,
} from "@villa/data";

/**
 * Text of every region: one sentence per assigned attribute, joined with " . ".
 *
 * Each attribute gets one sentence per image, drawn at random from the admissible ones, so all regions of an image that
 * share an attribute share its sentence. An attribute that no sentence mentions adds nothing.
 *
 * @param text a text, or a row with its sentences
 * @param assigned region → attribute names
 * @param attributes the image's attributes, in the order of its annotation
 * @param texts which sentences may stand for an attribute; `datasetTexts` of `@villa/data` gives the rule of a dataset
 */
export function regionTexts(
  text: string | SentencedText,
  attributes: readonly string[],
  assigned: readonly (readonly string[])[],
  random: RandomState,
  texts: DatasetTexts = originalTexts,
): string[] {
  checkArgument("text", text, typeof text === "string" ? "text" : { text: "text", "sentences?": ["text"] });
  checkArgument("attributes", attributes, ["text"]);
  checkArgument("assigned", assigned, ["list"]);
  checkArgument("random", random, { choice: "function" });
  checkArgument("texts?", texts, { sentences: "function", about: "function" });

  const chosen = new Map<string, string>();
  for (const attribute of attributes) {
    const admissible = texts.about(text, attribute);
    if (admissible.length > 0) chosen.set(attribute, admissible[random.choice(admissible.length)]!);
  }
  return assigned.map((names) => joinSentences(names.flatMap((name) => chosen.get(name) ?? [])));
}
