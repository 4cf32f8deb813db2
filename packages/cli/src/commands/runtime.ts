import type { ActiveBackend } from "@villa/core";
import { type Command, InvalidArgumentError } from "commander";

/** Flags of every command that computes. */
export interface RuntimeFlags {
  readonly backend?: string | undefined;
  readonly threads?: number | undefined;
}

export function withRuntimeFlags(command: Command): Command {
  return command
    .option("--backend <name>", "auto, cuda, webgpu, native, wasm or cpu (default: $VILLA_BACKEND, else auto)")
    .option("--threads <n>", "threads of the native backend (default: every core)", wholeNumber);
}

/** Runs work on the backend that the flags ask for, and releases it whatever happens. */
export async function onBackend<T>(flags: RuntimeFlags, work: (backend: ActiveBackend) => Promise<T>): Promise<T> {
  const { useNodeBackend } = await import("@villa/backend-node");
  const backend = await useNodeBackend({ name: flags.backend, threads: flags.threads });
  try {
    return await work(backend);
  } finally {
    await backend.dispose();
  }
}

/** A flag's value as a whole number of at least 1. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError("Give a whole number of at least 1.");
  return value;
}

/** A flag's value as a seed. */
export function seedNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError("Give a whole number of at least 0.");
  return value;
}

/** A flag's value as a number. */
export function anyNumber(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) throw new InvalidArgumentError("Give a number.");
  return value;
}
