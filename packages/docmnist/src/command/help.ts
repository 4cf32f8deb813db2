import type { AddHelpTextContext, Command } from "commander";

/** Help text with examples that call the command as its user does: "docmnist …" or "villa docmnist …". */
export function examples(...lines: readonly string[]): (context: AddHelpTextContext) => string {
  return ({ command }) =>
    [`\nExample${lines.length > 1 ? "s" : ""}:`, ...lines.map((line) => `  ${programName(command)} ${line}`), ""].join(
      "\n",
    );
}

function programName(command: Command): string {
  return command.parent ? programName(command.parent) : command.name();
}
