import { type Terminal, wholeNumber } from "@villa/command-kit";
import type { ActiveBackend } from "@villa/core";
import type { Command } from "commander";

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
export async function onBackend<T>(
  { backend: name, threads, terminal }: RuntimeFlags & { readonly terminal: Terminal },
  work: (backend: ActiveBackend) => Promise<T>,
): Promise<T> {
  const { nodeBackends, useNodeBackend } = await import("@villa/backend-node");
  const backend = await useNodeBackend({ name, threads });
  try {
    const asked = name ?? process.env.VILLA_BACKEND;
    if (backend.name === "wasm" && (!asked || asked === "auto")) {
      const native = await nodeBackends({ threads })
        .find((each) => each.name === "native")
        ?.probe();
      if (native?.available === false) terminal.err(`Running on wasm, which is several times slower: ${native.reason}`);
    }
    return await work(backend);
  } finally {
    await backend.dispose();
  }
}
