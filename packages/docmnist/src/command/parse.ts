import { VillaError } from "@villa/data";
import type { AttributeChoice } from "../choose-attributes.ts";

/** Reads a flag's value as a whole number. @throws VillaError `InvalidArgument` naming the flag */
export function wholeNumber(flag: string): (text: string) => number {
  return (text) => {
    if (/^[+-]?\d+$/.test(text.trim()) && Number.isSafeInteger(Number(text))) return Number(text);
    throw new VillaError("InvalidArgument", `${flag} takes a whole number, not "${text}".`);
  };
}

/** Reads a comma-separated list. */
export function list(text: string): string[] {
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

/** Reads colours: built-in names, or `name=#rrggbb`. @throws VillaError `InvalidArgument` */
export function colorList(text: string): NonNullable<AttributeChoice["colors"]> {
  return list(text).map((item) => {
    const [name, hex] = item.split("=");
    if (hex === undefined) return item;
    if (!name || !/^#?[0-9a-f]{6}$/i.test(hex)) {
      throw new VillaError("InvalidArgument", `"${item}" is not a colour; write a name, or name=#rrggbb.`);
    }
    const value = Number.parseInt(hex.replace("#", ""), 16);
    return { name, rgb: [value >> 16, (value >> 8) & 255, value & 255] as const };
  });
}

/**
 * Puts arguments into the one form the command knows: flags in kebab-case (the reference's snake_case means the same),
 * and `generate` when no subcommand is named.
 */
export function normalizeArguments(argv: readonly string[], subcommands: readonly string[]): string[] {
  const normalized = argv.map((argument) => {
    const [flag = "", ...value] = argument.split("=");
    return flag.startsWith("--") ? [flag.replaceAll("_", "-"), ...value].join("=") : argument;
  });
  const [first] = normalized;
  const isAboutAll = first === undefined || ["--help", "-h", "--version", "help", ...subcommands].includes(first);
  return isAboutAll || !first.startsWith("-") ? normalized : ["generate", ...normalized];
}
