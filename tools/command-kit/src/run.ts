import { checkArgument, firstLine, isVillaError } from "@villa/data";
import { type Command, type CommanderError, Help, type Option } from "commander";
import { normalizeArguments } from "./arguments.ts";
import type { RegisterCommand } from "./command.ts";
import { escapingTerminal, processTerminal, type Terminal } from "./terminal.ts";
import { printable } from "./text.ts";

/** 0 = done, 1 = failed, 2 = called wrongly; 130 and 143 = stopped by Ctrl-C or by SIGTERM, as shells count signals. */
export type ExitCode = 0 | 1 | 2 | 130 | 143;

/** What {@link runProgram} runs, and where it writes. */
export interface RunOptions {
  readonly commands: readonly RegisterCommand[];
  readonly terminal?: Terminal | undefined;
}

/** What a command line's entry may be called with from a program. @throws VillaError `InvalidArgument` */
export function checkCall(argv: unknown, terminal: unknown): void {
  checkArgument("argv", argv, ["text"]);
  checkArgument("terminal?", terminal, {
    out: "function",
    err: "function",
    interactive: "boolean",
    "columns?": "count",
    "status?": "function",
    "flush?": "function",
  });
}

/**
 * Runs a program: adds its commands, parses the arguments, turns errors into one sentence and an exit code, and Ctrl-C
 * into a signal.
 *
 * @param argv arguments after the program's name
 * @returns the exit code; never throws
 */
export async function runProgram(
  program: Command,
  argv: readonly string[],
  { commands, ...options }: RunOptions,
): Promise<ExitCode> {
  const terminal = escapingTerminal(options.terminal ?? processTerminal());
  const interrupt = new AbortController();
  let stopped: 130 | 143 | undefined;
  const onInterrupt = (signal: "SIGINT" | "SIGTERM"): void => {
    if (stopped !== undefined) process.exit(stopped); // the second Ctrl-C does not wait
    stopped = signal === "SIGTERM" ? 143 : 130;
    terminal.err("Stopping at the next safe point; press Ctrl-C again to stop at once.");
    interrupt.abort();
  };
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const name of signals) process.on(name, onInterrupt);
  program
    .exitOverride()
    .helpCommand("help [command]", "show help of a command")
    .showHelpAfterError("Run the command with --help to see how it is used.")
    .configureHelp({ optionDescription })
    .configureOutput({
      writeOut: (text) => terminal.out(text.trimEnd()),
      writeErr: (text) => terminal.err(text.trimEnd()),
      outputError: (text, write) =>
        write(text.replace(/^error: (.)/, (_, first: string) => `${program.name()}: ${first.toUpperCase()}`)),
    });
  for (const register of commands) register(program, { terminal, signal: interrupt.signal });
  try {
    await program.parseAsync(normalizeArguments(argv, program), { from: "user" });
    await terminal.flush?.();
    return 0;
  } catch (error) {
    const code = await report(error, { name: program.name(), isVerbose: argv.includes("--verbose"), terminal });
    return code === 1 && stopped !== undefined ? stopped : code;
  } finally {
    for (const name of signals) process.off(name, onInterrupt);
  }
}

interface Reporting {
  readonly name: string;
  readonly isVerbose: boolean;
  readonly terminal: Terminal;
}

async function report(thrown: unknown, { name, isVerbose, terminal }: Reporting): Promise<ExitCode> {
  if (isCommanderError(thrown)) {
    if (thrown.exitCode !== 0) return 2; // commander has said why
    return (
      terminal.flush?.().then(
        () => 0 as const,
        (error) => report(error, { name, isVerbose, terminal }),
      ) ?? 0
    );
  }
  const error = await described(thrown);
  const message = error instanceof Error ? error.message : String(error);
  if (isVerbose && error instanceof Error && error.stack) terminal.err(error.stack);
  if (isVillaError(error)) {
    terminal.err(`${name}: ${printable(message)}`);
    return error.code === "InvalidArgument" ? 2 : 1;
  }
  terminal.err(`${name}: ${printable(firstLine(error))} (--verbose shows where)`);
  return 1;
}

/** By its code: a command that another package brings along may use another copy of commander. */
const isCommanderError = (error: unknown): error is CommanderError =>
  error instanceof Error && "code" in error && String(error.code).startsWith("commander.");

/** What the system refused, such as a folder that cannot be written, in a sentence; anything else as it is. */
async function described(error: unknown): Promise<unknown> {
  const { syscall, path } = (error ?? {}) as NodeJS.ErrnoException;
  if (isVillaError(error) || syscall === undefined || path === undefined) return error;
  const { fileError } = await import("@villa/data/node");
  return fileError(error, { path, doing: readCalls.has(syscall) ? "read" : "write" });
}

const readCalls: ReadonlySet<string> = new Set(["scandir", "stat", "lstat", "read", "access", "readlink", "realpath"]);

/** Help marks the flags that a command cannot do without. */
function optionDescription(option: Option): string {
  const description = new Help().optionDescription(option);
  return option.mandatory ? `${description} (required)` : description;
}
