import { isVillaError } from "@villa/data";
import { Command, CommanderError, Help, type Option } from "commander";
import { normalizeArguments } from "./arguments.ts";
import { commands } from "./commands/index.ts";
import { processTerminal, type Terminal } from "./terminal.ts";

/** 0 = done, 1 = failed, 2 = called wrongly. */
export type ExitCode = 0 | 1 | 2;

/**
 * The `villa` command.
 *
 * @param argv arguments after the program's name
 * @returns the exit code; never throws
 */
export async function runVilla(argv: readonly string[], terminal: Terminal = processTerminal): Promise<ExitCode> {
  let exitCode: ExitCode = 0;
  const interrupt = new AbortController();
  const onInterrupt = (): void => {
    if (interrupt.signal.aborted) process.exit(130); // the second Ctrl-C does not wait
    terminal.err("Stopping at the next safe point; press Ctrl-C again to stop at once.");
    interrupt.abort();
  };
  process.on("SIGINT", onInterrupt);
  const program = new Command("villa")
    .description("ViLLA: fine-grained vision-language representation learning from complex image-text data.")
    .version(VERSION)
    .exitOverride()
    .addHelpText("after", examples)
    .showHelpAfterError("Run the command with --help to see how it is used.")
    .configureHelp({ optionDescription })
    .configureOutput({
      writeOut: (text) => terminal.out(text.trimEnd()),
      writeErr: (text) => terminal.err(text.trimEnd()),
      outputError: (text, write) => write(text.replace(/^error: (.)/, (_, first) => `villa: ${first.toUpperCase()}`)),
    });
  for (const register of commands) {
    register(program, {
      terminal,
      signal: interrupt.signal,
      setExitCode: (code) => {
        exitCode = code;
      },
    });
  }
  try {
    if (argv.length === 0) program.outputHelp();
    else await program.parseAsync(normalizeArguments(argv, program), { from: "user" });
    return exitCode;
  } catch (error) {
    return await report(error, argv.includes("--verbose"), terminal);
  } finally {
    process.off("SIGINT", onInterrupt);
  }
}

async function report(thrown: unknown, verbose: boolean, terminal: Terminal): Promise<ExitCode> {
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : 2;
  const error = await described(thrown);
  const message = error instanceof Error ? error.message : String(error);
  if (verbose && error instanceof Error && error.stack) terminal.err(error.stack);
  if (isVillaError(error)) {
    terminal.err(`villa: ${message}`);
    return error.code === "InvalidArgument" ? 2 : 1;
  }
  terminal.err(`villa: ${message.split("\n")[0]} (--verbose shows where)`);
  return 1;
}

/** What the system refused, such as a folder that cannot be written, in a sentence; anything else as it is. */
async function described(error: unknown): Promise<unknown> {
  const { syscall, path } = (error ?? {}) as NodeJS.ErrnoException;
  if (isVillaError(error) || syscall === undefined || path === undefined) return error;
  const { fileError } = await import("@villa/data/node");
  return fileError(error, path, readCalls.has(syscall) ? "read" : "write");
}

const readCalls: ReadonlySet<string> = new Set(["scandir", "stat", "lstat", "read", "access", "readlink", "realpath"]);

/** Help marks the flags that a command cannot do without. */
function optionDescription(option: Option): string {
  const description = new Help().optionDescription(option);
  return option.mandatory ? `${description} (required)` : description;
}

const examples = `
Examples:
  villa quickstart                  everything, small and offline, ending in a report
  villa docmnist generate --attribute-budget 30000 --target-sample-complexity 16 --digits glyphs
  villa preprocess --data-dir data/docmnist_30000_15.2 --encoder pixels
  villa stage1 experiment=docmnist_stage1
  villa stage2 experiment=docmnist_stage2_small
  villa evaluate --data-dir data/docmnist_30000_15.2 --checkpoint checkpoints/docmnist_stage2_small/best.safetensors --split val

Every command has --help. The guide: https://github.com/villa-ts/villa/blob/main/docs/guide.md`;

const VERSION = "0.1.0";
