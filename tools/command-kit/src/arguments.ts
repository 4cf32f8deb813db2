import type { AddHelpTextContext, Command } from "commander";

/** A property, not a map beside the commands: each bundle has its own copy of this module. */
const implied = Symbol.for("@villa/command-kit/implied");

/** Makes flags without a command's name mean a subcommand: `docmnist --seed 1` is `docmnist generate --seed 1`. */
export function impliedCommand(command: Command, name: string): void {
  Object.assign(command, { [implied]: name });
}

/**
 * Puts arguments into the one form that programs know: flags in kebab-case (the reference's snake_case means the same),
 * `help stage1` as `stage1 --help`, an implied subcommand by its name, and of an unknown command, its name alone:
 * `--help` after it would hide the mistake.
 */
export function normalizeArguments(argv: readonly string[], program: Command): string[] {
  const end = argv.indexOf("--");
  const words = argv.map((word, i) => {
    if (!word.startsWith("--") || (end >= 0 && i >= end)) return word;
    const [flag = "", ...value] = word.split("=");
    return [flag.replaceAll("_", "-"), ...value].join("=");
  });
  return wordsOf(program, words);
}

function wordsOf(command: Command, words: readonly string[]): string[] {
  const [first, ...rest] = words;
  if (command.commands.length === 0 || first === undefined) return [...words];
  if (first === "help") return rest.length > 0 ? wordsOf(command, [...rest, "--help"]) : ["--help"];
  const named = command.commands.find((each) => each.name() === first);
  if (named) return [first, ...wordsOf(named, rest)];
  if (!first.startsWith("-")) return [first];
  const name = (command as { [implied]?: string | undefined })[implied];
  return name === undefined || ["--help", "-h", "--version", "-V"].includes(first) ? [...words] : [name, ...words];
}

/** Help text with examples that call a subcommand as its user does: "docmnist …" or "villa docmnist …". */
export function exampleCalls(...calls: readonly string[]): (context: AddHelpTextContext) => string {
  return ({ command }) =>
    [`\nExample${calls.length > 1 ? "s" : ""}:`, ...calls.map((call) => `  ${callOf(command.parent)} ${call}`)].join(
      "\n",
    );
}

const callOf = (command: Command | null): string =>
  command?.parent ? `${callOf(command.parent)} ${command.name()}` : (command?.name() ?? "");
