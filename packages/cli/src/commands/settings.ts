import { existsSync, readFileSync } from "node:fs";
import { overrideWords } from "@villa/command-kit";
import type { ConfigSchema, ConfigValues, resolveConfig } from "@villa/core";
import type { Command } from "commander";

/** What a stage is configured by. */
export interface StageSettings<Schema extends ConfigSchema = ConfigSchema> {
  readonly schema: Schema;
  /** Built-in experiments by name. */
  readonly experiments: Readonly<Record<string, ConfigValues>>;
}

/**
 * Lets a command take settings, `key=value` or `--key value`, and lists them all in its `--help`. The schema is loaded only when help is
 * asked for, since it comes with the whole package of its stage.
 *
 * @param load called for `--help` alone
 * @param options `examples`: the end of the help
 */
export function withSettings(
  command: Command,
  load: () => Promise<StageSettings>,
  { examples }: { readonly examples: string },
): Command {
  return command
    .argument("[settings...]", "experiment=NAME|FILE.yaml and key=value settings")
    .allowUnknownOption()
    .helpOption(false)
    .option("-h, --help", "show this help, with every setting")
    .hook("preAction", async () => {
      if (command.opts<{ help?: boolean | undefined }>().help !== true) return;
      command.addHelpText("after", `\n${await settingsHelp(await load())}\n\n${examples}`);
      command.help();
    });
}

/** A stage's configuration from the words of the command line. */
export async function resolveSettings<Schema extends ConfigSchema>(
  settings: StageSettings<Schema>,
  words: readonly string[],
): Promise<ReturnType<typeof resolveConfig<Schema>>> {
  const core = await import("@villa/core");
  const readFile = (path: string) => (existsSync(path) ? readFileSync(path, "utf8") : undefined);
  return core.resolveConfig({ ...settings, overrides: overrideWords(words), readFile });
}

async function settingsHelp({ schema, experiments }: StageSettings): Promise<string> {
  const { describeSettings } = await import("@villa/core");
  const lines = describeSettings(schema).flatMap(({ key, fallback, help }) => [
    `  ${fallback === undefined ? `${key} (required)` : `${key}=${fallback}`}`,
    ...wrapped(help.replaceAll("`", ""), 72).map((line) => `      ${line}`),
  ]);
  return ["Settings:", ...lines, "", `Built-in experiments: ${Object.keys(experiments).join(", ")}`].join("\n");
}

/** Text in lines of at most so many characters, broken at spaces. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
