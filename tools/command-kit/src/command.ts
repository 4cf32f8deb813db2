import { type Command, Option } from "commander";
import { type Progress, type ProgressForm, progressForms, terminalProgress } from "./progress.ts";
import type { Terminal } from "./terminal.ts";

/** What every command gets besides its flags. */
export interface CommandContext {
  readonly terminal: Terminal;
  /** Fires on Ctrl-C: finish the step at hand, leave a resumable state. */
  readonly signal: AbortSignal;
}

/** Adds a command to a program. */
export type RegisterCommand = (program: Command, context: CommandContext) => void;

/** Flags that every command has. */
export interface CommonFlags {
  readonly json?: boolean | undefined;
  readonly verbose?: boolean | undefined;
  readonly progress?: ProgressForm | undefined;
}

/** Adds the flags that every command has. */
export function withCommonFlags(command: Command): Command {
  return command
    .option("--json", "print the result as one line of JSON, last")
    .option("--verbose", "show a stack trace when something fails")
    .addOption(
      new Option(
        "--progress <form>",
        "line: one line that changes; lines: a new line every few seconds, as for logs and screen readers; none (default: line in a terminal, else lines)",
      ).choices(progressForms),
    );
}

/**
 * Runs the work of a command with progress shown, then prints its result as text, or as JSON when asked.
 *
 * @param work is given a listener for progress, and a function that writes a heading above what follows
 */
export async function present<T>(
  { terminal }: CommandContext,
  { json = false, progress: form }: CommonFlags,
  work: (onProgress: Progress["listener"], heading: Progress["heading"]) => Promise<T>,
  describe: (result: T) => string,
): Promise<void> {
  const progress = terminalProgress(terminal, { form });
  let result: T;
  try {
    result = await work(progress.listener, progress.heading);
  } finally {
    progress.stop();
  }
  terminal.out(json ? JSON.stringify(result) : describe(result));
}
