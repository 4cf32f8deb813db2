/** Which pieces of a text {@link sentences} takes for sentences. */
export interface SentenceOptions {
  /** Drops pieces of so many characters or fewer. Default 0: only empty ones. */
  readonly longerThan?: number | undefined;
  /**
   * Where a full stop ends a sentence: `anywhere`, as in the original's code; `before-space`, so that "3.5 cm" and
   * "b.png" stay whole. Default `anywhere`.
   */
  readonly stops?: "anywhere" | "before-space" | undefined;
}

/**
 * The sentences of a dataset's text, trimmed. Datasets keep them in one string, joined with " . ".
 *
 * @see datasetTexts for the rule that a dataset follows
 */
export function sentences(text: string, { longerThan = 0, stops = "anywhere" }: SentenceOptions = {}): string[] {
  return text
    .split(stops === "anywhere" ? "." : /\.(?=\s|$)/)
    .map((piece) => piece.trim())
    .filter((piece) => piece.length > longerThan);
}

/** Puts sentences into one text, as datasets keep them. */
export function joinSentences(parts: readonly string[]): string {
  return parts.join(" . ");
}

/**
 * The sentences of a text as people write them. A sentence ends at `.` `!` `?` `;` before white space, at an empty line
 * and before a line that begins with a bullet; other line breaks are white space, since reports are often wrapped. Pieces
 * without a letter or digit are dropped.
 */
export function proseSentences(prose: string): string[] {
  return prose
    .split(/(?<![.!?;])[.!?;]+(?=\s|$)|\n[^\S\n]*(?=\n|[-*•]\s)/u)
    .map((sentence) =>
      sentence
        .replace(/^\s*[-*•]\s/u, "")
        .replace(/\s+/g, " ")
        .trim(),
    )
    .filter((sentence) => /[\p{L}\p{N}]/u.test(sentence));
}

/**
 * Words that occur in every sentence and tell nothing about it. Embeddings of hashed words give them less weight, and
 * nobody need be told that a question has them.
 */
export const functionWords: ReadonlySet<string> = new Set(["the", "is", "a", "of", "to", "be", "there", "an"]);

/** The words of a text in lower case: runs of letters and digits. */
export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}
