import { InvalidArgumentError } from "commander";

/** A flag's value as a whole number of at least 1. */
export function wholeNumber(text: string): number {
  return integer(text, 1);
}

/** A flag's value as a seed. */
export function seedNumber(text: string): number {
  return integer(text, 0);
}

/** A flag's value as whole numbers of at least 1, separated by commas. */
export function wholeNumbers(text: string): number[] {
  return wordList(text).map(wholeNumber);
}

function integer(text: string, least: number): number {
  const value = /^\+?\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new InvalidArgumentError(`Give a whole number of at least ${least}.`);
}

/** A flag's value as a number. */
export function anyNumber(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) throw new InvalidArgumentError("Give a number.");
  return value;
}

/** A flag's value as words, separated by commas. */
export function wordList(text: string): string[] {
  return text
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");
}

/**
 * Settings in either spelling: `data_dir=x` as it stands, and `--data-dir x` or `--data-dir=x` as `data_dir=x`.
 *
 * @param words what commander has left over, with `allowUnknownOption`
 */
export function overrideWords(words: readonly string[]): string[] {
  const overrides: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (!word.startsWith("--")) {
      overrides.push(word);
      continue;
    }
    const [flag = "", ...value] = word.slice(2).split("=");
    const key = flag.replaceAll("-", "_");
    overrides.push(`${key}=${value.length > 0 ? value.join("=") : (words[++i] ?? "")}`);
  }
  return overrides;
}
