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
 * @param image its text, or that and its sentences, and its attributes, in the order of its annotation
 * @param assigned region → attribute names
 * @param options `random`: draws the sentences; `texts`: which sentences may stand for an attribute, by the rule of a
 *   dataset that `datasetTexts` of `@villa/data` gives; default the original's
 */
export function regionTexts(
  image: SentencedText & { readonly attributes: readonly string[] },
  assigned: readonly (readonly string[])[],
  options: { readonly random: RandomState; readonly texts?: DatasetTexts | undefined },
): string[] {
  checkArgument("image", image, { text: "text", "sentences?": ["text"], attributes: ["text"] });
  checkArgument("assigned", assigned, ["list"]);
  checkArgument("options", options, {
    random: { choice: "function" },
    "texts?": { sentences: "function", about: "function" },
  });

  const { random, texts = originalTexts } = options;
  const chosen = new Map<string, string>();
  for (const attribute of image.attributes) {
    const admissible = texts.about(image, attribute);
    if (admissible.length > 0) chosen.set(attribute, admissible[random.choice(admissible.length)]!);
  }
  return assigned.map((names) => joinSentences(names.flatMap((name) => chosen.get(name) ?? [])));
}
