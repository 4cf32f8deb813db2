import { type AttributeVocabulary, checkVocabulary } from "../vocabulary.ts";
import { AttributeMentions } from "./mentions.ts";
import { storedSentences } from "./prose-sentences.ts";
import { sentences } from "./sentences.ts";

/** How the texts of a dataset are read: one rule for the mapping, for oracle pairs, for queries and reports. */
export interface DatasetTexts {
  /** The sentences of a text. */
  sentences(text: string): string[];
  /** Those sentences of a text that are about an attribute, and may stand for it. */
  about(text: string, attribute: string): string[];
}

/**
 * The rule of the original, for DocMNIST and for folders that the original has made: sentences end at every full stop; a
 * sentence of more than three characters is about an attribute that follows a space in it, whatever their case.
 *
 * @see ViLLA paper, section 3.2
 */
export const originalTexts: DatasetTexts = {
  sentences: (text) => sentences(text),
  about(text, attribute) {
    const needle = ` ${attribute.toLowerCase()}`;
    return sentences(text, { longerThan: 3 }).filter((sentence) => sentence.toLowerCase().includes(needle));
  },
};

/**
 * The rule of a dataset. Where the vocabulary says how texts mention their attributes, a sentence is about those that it
 * mentions as whole words, by name or synonym, and does not deny. Such texts were taken apart once, by
 * {@link proseSentences}, and come apart again as they were put together. Otherwise {@link originalTexts}.
 *
 * @example datasetTexts(vocabulary).about("A scarlet mug . no lid", "red") // ["A scarlet mug"], with that synonym
 */
export function datasetTexts(vocabulary: AttributeVocabulary): DatasetTexts {
  checkVocabulary(vocabulary);
  if (vocabulary.mentions === undefined) return originalTexts;
  const mentions = new AttributeMentions(vocabulary);
  // All attributes of an image ask about the same text.
  let known: { text: string; parts: { sentence: string; found: readonly string[] }[] } | undefined;
  return {
    sentences: storedSentences,
    about(text, attribute) {
      if (known?.text !== text) {
        known = {
          text,
          parts: storedSentences(text).map((sentence) => ({ sentence, found: mentions.find(sentence) })),
        };
      }
      return known.parts.filter(({ found }) => found.includes(attribute)).map(({ sentence }) => sentence);
    },
  };
}
