import { runVilla } from "../src/main.ts";

/** Runs a command as a user types it, without a terminal. @returns its exit code, and what it wrote to either stream */
export async function villa(...words: readonly string[]) {
  const lines = { out: [] as string[], err: [] as string[] };
  const code = await runVilla(words, {
    out: (line) => lines.out.push(line),
    err: (line) => lines.err.push(line),
    interactive: false,
  });
  return { code, out: lines.out.join("\n"), err: lines.err.join("\n") };
}
