import { spawn } from "node:child_process";
import { VillaError } from "@villa/data";

/** What a finished program said. */
export interface ProgramResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a program is run. */
export interface ProgramOptions {
  readonly cwd?: string | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs a program to its end, without a shell.
 *
 * @returns undefined when there is no such program
 * @throws VillaError `Aborted`; `FileSystem` when the system does not start it
 */
export function runProgram(
  program: string,
  args: readonly string[],
  { cwd = "/", env, signal }: ProgramOptions = {},
): Promise<ProgramResult | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, ...env },
      signal,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.on("error", (cause: NodeJS.ErrnoException) => {
      if (signal?.aborted) reject(new VillaError("Aborted", "The setup was stopped; nothing was changed.", { cause }));
      else if (cause.code === "ENOENT") resolve(undefined);
      else reject(new VillaError("FileSystem", `${program} cannot be started: ${cause.message}.`, { cause }));
    });
    // Killed by a signal, as by an instruction that this processor lacks: no exit status.
    child.on("close", (status, killed) =>
      resolve({ status: status ?? 1, stdout, stderr: killed ? `${stderr}\n${killed}` : stderr }),
    );
  });
}

/** The first of several programs that exists here, with its output; undefined where none does. */
export async function runFirst(
  programs: readonly string[],
  args: readonly string[],
  options?: ProgramOptions,
): Promise<(ProgramResult & { readonly program: string }) | undefined> {
  for (const program of programs) {
    const result = await runProgram(program, args, options);
    if (result) return { ...result, program };
  }
  return undefined;
}

/** The line of a program's output that says what went wrong: the last that looks like an error, else the last. */
export function errorLine(text: string): string {
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
  return lines.findLast((line) => /error|not found|cannot|SIG[A-Z]+/i.test(line)) ?? lines.at(-1) ?? "no message";
}
