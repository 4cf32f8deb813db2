/**
 * Control characters, and marks that reorder or break lines: a file name or a caption that holds them could move the
 * cursor, change the terminal's title, or show a text that is not there.
 */
const unprintable = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

/** Foreign text as one line that a terminal only shows: what could command it appears as `\u001b`, which JSON reads back. */
export function printable(text: string): string {
  return text.replace(unprintable, escaped);
}

/** {@link printable} for text of several lines: line feeds and tabs stay. */
export function printableLines(text: string): string {
  return text.replace(unprintable, (character) =>
    character === "\n" || character === "\t" ? character : escaped(character),
  );
}

const escaped = (character: string): string => `\\u${character.codePointAt(0)!.toString(16).padStart(4, "0")}`;

/** "1 image", "2 images". */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** "512 bytes", "1.5 kB", "2.0 MB", "3.1 GB". */
export function byteSize(bytes: number): string {
  if (bytes < 1000) return counted(bytes, "byte");
  const power = Math.min(3, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** power).toFixed(1)} ${["", "kB", "MB", "GB"][power]}`;
}

/** 0.613 → "61.3": how fractions are shown. */
export function percent(fraction: number, decimals = 1): string {
  return (100 * fraction).toFixed(decimals);
}

/** "a", "a and b", "a, b and c". */
export function listed(words: readonly string[], joint = "and"): string {
  if (words.length < 2) return words[0] ?? "";
  return `${words.slice(0, -1).join(", ")} ${joint} ${words.at(-1)}`;
}

/** A table with aligned columns; numbers to the right. The first row is the head. */
export function table(rows: readonly (readonly (string | number)[])[]): string {
  const texts = rows.map((row) => row.map((cell) => printable(String(cell))));
  const widths = texts[0]!.map((_, column) => Math.max(...texts.map((row) => displayWidth(row[column] ?? ""))));
  const numeric = texts[0]!.map((_, column) => texts.slice(1).every((row) => /^[-+\d.,%×]*$/.test(row[column] ?? "")));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => {
        const space = " ".repeat(widths[column]! - displayWidth(cell));
        return numeric[column] ? space + cell : cell + space;
      })
      .join("  ")
      .trimEnd();
  return [line(texts[0]!), widths.map((width) => "─".repeat(width)).join("  "), ...texts.slice(1).map(line)].join("\n");
}

/** Characters that a terminal draws two columns wide. */
const wide =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\uff01-\uff60]/u;

/** Columns that a text takes on a terminal. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += /\p{M}/u.test(character) ? 0 : wide.test(character) ? 2 : 1;
  return width;
}

/** The beginning of a text, at most so many columns wide. */
export function fitted(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  let out = "";
  for (const character of text) {
    if (displayWidth(out + character) > columns - 1) break;
    out += character;
  }
  return columns < 1 ? "" : `${out}…`;
}
