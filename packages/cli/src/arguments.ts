import type { Command } from "commander";

/**
 * Puts arguments into the one form that the program knows: flags in kebab-case (the reference's snake_case means the
 * same), `help stage1` as `stage1 --help`, and of a command that there is not, no more than its name.
 */
export function normalizeArguments(argv: readonly string[], { commands }: Command): string[] {
  const normalized = argv.map((argument) => {
    const [flag = "", ...value] = argument.split("=");
    return flag.startsWith("--") ? [flag.replaceAll("_", "-"), ...value].join("=") : argument;
  });
  const words = normalized[0] === "help" && normalized.length > 1 ? [...normalized.slice(1), "--help"] : normalized;
  const [first = ""] = words;
  const isKnown = first.startsWith("-") || first === "help" || commands.some((command) => command.name() === first);
  return isKnown ? words : [first]; // else --help after it would hide the mistake
}
