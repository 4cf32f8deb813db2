import { type AttributeVocabulary, checkVocabulary } from "../vocabulary.ts";
import { AttributeMentions } from "./mentions.ts";
import { type SentencedText, storedSentences } from "./prose-sentences.ts";
import { sentences } from "./sentences.ts";

/**
 * How the texts of a dataset are read: one rule for the mapping, for oracle pairs, for evaluation, queries and reports.
 * Where a row has sentences they are taken as they are; a mere text is taken apart.
 */
export interface DatasetTexts {
  /** The sentences of a text. */
  sentences(source: string | SentencedText): readonly string[];
  /** Those sentences of a text that are about an attribute, and may stand for it. */
  about(source: string | SentencedText, attribute: string): string[];
}

/**
 * The rule of the original, for DocMNIST and for folders that the original has made: sentences end at every full stop; a
 * sentence of more than three characters is about an attribute that follows a space in it, whatever their case.
 *
 * @see ViLLA paper, section 3.2
 */
export const originalTexts: DatasetTexts = {
  sentences(source) {
    if (typeof source === "string") return sentences(source);
    return source.sentences ?? sentences(source.text);
  },
  about(source, attribute) {
    const needle = ` ${attribute.toLowerCase()}`;
    const parts = originalTexts.sentences(source).filter(({ length }) => length > 3);
    return parts.filter((sentence) => sentence.toLowerCase().includes(needle));
  },
};

/**
 * The rule of a dataset. Where the vocabulary says how texts mention their attributes, a sentence is about those that
 * it mentions as whole words, by name or synonym, and does not deny. A text without sentences of its own, from an
 * ingestion before they were kept, is split where that had joined it. Otherwise {@link originalTexts}.
 *
 * @example datasetTexts(vocabulary).about("A scarlet mug . no lid", "red") // ["A scarlet mug"], with that synonym
 */
export function datasetTexts(vocabulary: AttributeVocabulary): DatasetTexts {
  checkVocabulary(vocabulary);
  if (vocabulary.mentions === undefined) return originalTexts;
  const mentions = new AttributeMentions(vocabulary);
  // All attributes of an image ask about the same text.
  let known: { source: unknown; parts: { sentence: string; found: readonly string[] }[] } | undefined;
  return {
    sentences: storedSentences,
    about(source, attribute) {
      if (known?.source !== source) {
        known = {
          source,
          parts: storedSentences(source).map((sentence) => ({ sentence, found: mentions.find(sentence) })),
        };
      }
      return known.parts.filter(({ found }) => found.includes(attribute)).map(({ sentence }) => sentence);
    },
  };
}
