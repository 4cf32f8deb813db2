import { checkList, checkObject, checkText, isText } from "../../formats/check-arguments.ts";

/** Which pieces of a text {@link sentences} takes for sentences. */
export interface SentenceOptions {
  /** Drops pieces of so many characters or fewer. Default 0: only empty ones. */
  readonly longerThan?: number | undefined;
}

/**
 * The pieces of a text between full stops, trimmed: the rule of the original, whose sentences hold no other full stops.
 *
 * @see datasetTexts for the rule that a dataset follows
 */
export function sentences(text: string, options: SentenceOptions = {}): string[] {
  checkText(text, "A text");
  checkObject(options, "The options of sentences");
  const { longerThan = 0 } = options;
  return text
    .split(".")
    .map((piece) => piece.trim())
    .filter((piece) => piece.length > longerThan);
}

/** What datasets put between the sentences of a text. */
export const sentenceSeparator = " . ";

/** Puts sentences into one text, as datasets keep them. */
export function joinSentences(parts: readonly string[]): string {
  checkList(parts, "Sentences", isText);
  return parts.join(sentenceSeparator);
}

/** The sentences of a text that {@link joinSentences} has made. */
export function splitJoined(text: string): string[] {
  checkText(text, "A text");
  return text === "" ? [] : text.split(sentenceSeparator);
}

/**
 * Words that occur in every sentence and tell nothing about it. Embeddings of hashed words give them less weight, and
 * no hint is needed where a question has them.
 */
export const functionWords: ReadonlySet<string> = new Set(["the", "is", "a", "of", "to", "be", "there", "an"]);

/** The words of a text in lower case: runs of letters and digits. */
export function wordsOf(text: string): string[] {
  checkText(text, "A text");
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}
