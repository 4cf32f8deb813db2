import { AttributeMentions, type AttributeVocabulary, type RandomState } from "@villa/data";

/** Sentences of a description: split at full stops, trimmed, pieces of three characters or fewer dropped. */
export function splitSentences(text: string): string[] {
  return text
    .split(".")
    .map((piece) => piece.trim())
    .filter((piece) => piece.length > 3);
}

/** The sentences that may stand for an attribute: those in which it follows a space, whatever their case. */
export function sentencesAbout(sentences: readonly string[], attribute: string): string[] {
  const needle = ` ${attribute.toLowerCase()}`;
  return sentences.filter((sentence) => sentence.toLowerCase().includes(needle));
}

/** The sentences of a description that may stand for an attribute. */
export type SentenceRule = (sentences: readonly string[], attribute: string) => string[];

/**
 * The rule of a dataset: {@link sentencesAbout}, as the original has it, or for vocabularies that say how texts mention
 * their attributes the sentences that do so, by name or synonym and not negated.
 */
export function sentenceRule(vocabulary: AttributeVocabulary): SentenceRule {
  if (vocabulary.mentions === undefined) return sentencesAbout;
  const mentions = new AttributeMentions(vocabulary);
  // All attributes of an image ask about the same sentences.
  let known: { sentences: readonly string[]; found: string[][] } | undefined;
  return (sentences, attribute) => {
    if (known?.sentences !== sentences) known = { sentences, found: sentences.map((each) => mentions.find(each)) };
    const { found } = known;
    return sentences.filter((_, i) => found[i]!.includes(attribute));
  };
}

/**
 * Text of every region: one sentence per assigned attribute, joined with " . ".
 *
 * Each attribute gets one sentence per image, drawn at random from the admissible ones, so all regions of an image that
 * share an attribute share its sentence. An attribute that no sentence mentions adds nothing.
 *
 * @param assigned region → attribute names
 * @param attributes the image's attributes, in the order of its annotation
 */
export function regionTexts(
  text: string,
  attributes: readonly string[],
  assigned: readonly (readonly string[])[],
  random: RandomState,
  about: SentenceRule = sentencesAbout,
): string[] {
  const sentences = splitSentences(text);
  const chosen = new Map<string, string>();
  for (const attribute of attributes) {
    const admissible = about(sentences, attribute);
    if (admissible.length > 0) chosen.set(attribute, admissible[random.choice(admissible.length)]!);
  }
  return assigned.map((names) =>
    names
      .map((name) => chosen.get(name))
      .filter((sentence) => sentence !== undefined)
      .join(" . "),
  );
}
