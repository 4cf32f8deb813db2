import { Worker } from "node:worker_threads";
import type { BackendCandidate } from "@villa/core";
import { activateWasm, releaseWasm } from "@villa/core/kernels";
import { checkArgument } from "@villa/data";
import { requestedThreads } from "../native/register.ts";

/** Settings of the wasm backend. */
export interface WasmOptions {
  /** Threads that compute. Default: `VILLA_THREADS`, else every core. */
  readonly threads?: number | undefined;
}

/** Vector kernels in WebAssembly: the fallback that every machine can run. */
export function wasmBackend(options: WasmOptions = {}): BackendCandidate {
  checkArgument("options?", options, { "threads?": "count" });

  return {
    name: "wasm",
    device: "cpu",
    probe: async () => {
      if (typeof WebAssembly !== "object")
        return { available: false, reason: "this JavaScript engine has no WebAssembly." };
      const threads = options.threads ?? requestedThreads();
      return { available: true, detail: `WebAssembly, ${threads} thread${threads === 1 ? "" : "s"}` };
    },
    activate: () => activateWasm({ threads: options.threads ?? requestedThreads(), start: startThread }),
    dispose: releaseWasm,
  };
}

function startThread(program: string, data: unknown): () => void {
  const source = `const data = require("node:worker_threads").workerData; ${program}`;
  const worker = new Worker(source, { eval: true, workerData: data });
  worker.unref();
  return () => void worker.terminate();
}
