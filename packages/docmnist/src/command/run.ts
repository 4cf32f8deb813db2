import { isVillaError } from "@villa/data";
import { Command, CommanderError } from "commander";
import { digestCommand } from "./digest.ts";
import { generateCommand } from "./generate.ts";
import { examples } from "./help.ts";
import { type CommandIo, processIo } from "./io.ts";
import { normalizeArguments } from "./parse.ts";
import { visualizeCommand } from "./visualize.ts";

export type { CommandIo } from "./io.ts";

/** How the command is run. */
export interface RunOptions {
  readonly io?: CommandIo | undefined;
  readonly signal?: AbortSignal | undefined;
  /** What help texts call the command; default "docmnist". */
  readonly name?: string | undefined;
}

/**
 * Runs the `docmnist` command. Never ends the process, never throws.
 *
 * @param argv arguments after the command's name; without a subcommand they are those of `generate`
 * @returns exit code: 0 done, 1 failed, 2 wrong usage
 */
export async function runDocmnist(argv: readonly string[], options: RunOptions = {}): Promise<0 | 1 | 2> {
  const { io = processIo(), signal = new AbortController().signal, name = "docmnist" } = options;
  const program = new Command(name)
    .description("DocMNIST: image-text data with controlled complexity, generated bit for bit.")
    .addHelpText("after", examples("generate --attribute-budget 30000 --target-sample-complexity 16"))
    .helpCommand("help [command]", "show help");
  for (const command of [generateCommand(io, signal), digestCommand(io, signal), visualizeCommand(io)]) {
    program.addCommand(quiet(command, io));
  }
  quiet(program, io);
  const normalized = normalizeArguments(
    argv,
    program.commands.map((command) => command.name()),
  );
  if (normalized.length === 0) {
    io.err(program.helpInformation());
    return 2;
  }
  try {
    await program.parseAsync(normalized, { from: "user" });
    return 0;
  } catch (error) {
    return report(error, io, name, normalized.includes("--verbose"));
  }
}

/** Commander's own messages go to `io` in our form, and it does not end the process. */
function quiet(command: Command, io: CommandIo): Command {
  return command.exitOverride().configureOutput({
    writeOut: io.out,
    writeErr: io.err,
    outputError: () => {}, // said once, by `report`
  });
}

function report(error: unknown, io: CommandIo, name: string, isVerbose: boolean): 0 | 1 | 2 {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0;
    io.err(`${name}: ${error.message.replace(/^error: /, "")}; see --help.\n`);
    return 2;
  }
  const message = error instanceof Error ? error.message : String(error);
  io.err(`${name}: ${message}\n`);
  if (isVerbose && error instanceof Error) io.err(`${error.stack}\n`);
  return isVillaError(error, "InvalidArgument") ? 2 : 1;
}
