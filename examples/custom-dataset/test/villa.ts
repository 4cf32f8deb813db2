import { runVilla } from "@villa/cli";
import { expect } from "vitest";

/** Runs a command that must succeed. @returns what it printed as JSON */
export async function villa<T = unknown>(...argv: readonly string[]): Promise<T> {
  const { code, out, err } = await tryVilla(...argv);
  expect(code, err).toBe(0);
  return JSON.parse(out) as T;
}

export async function tryVilla(...argv: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const lines = { out: [] as string[], err: [] as string[] };
  const terminal = {
    out: (line: string) => lines.out.push(line),
    err: (line: string) => lines.err.push(line),
    interactive: false,
  };
  const code = await runVilla([...argv, "--json"], terminal);
  return { code, out: lines.out.at(-1) ?? "", err: lines.err.join("\n") };
}
