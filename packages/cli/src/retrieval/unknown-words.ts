/**
 * Words of a question that no text has. A text side of hashed words learns nothing about a word that it has not read,
 * and ranks by what is left.
 */
export function unknownWords(question: string, rows: Iterable<{ readonly text: string }>): string[] {
  const unknown = new Set(wordsOf(question));
  for (const { text } of rows) {
    if (unknown.size === 0) break;
    for (const word of wordsOf(text)) unknown.delete(word);
  }
  return [...unknown].filter((word) => !connecting.has(word));
}

const connecting = new Set(["the", "is", "a", "of", "to", "be", "there", "an", "and", "in", "on", "with"]);

const wordsOf = (text: string): readonly string[] => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
