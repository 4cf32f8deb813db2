import { type ActiveBackend, type BackendCandidate, plainCpuBackend, useBackend } from "@villa/core";
import { checkArgument } from "@villa/data";
import { cudaBackend } from "./candidates/cuda.ts";
import { nativeBackend } from "./candidates/native.ts";
import { wasmBackend } from "./candidates/wasm.ts";
import { webgpuBackend } from "./candidates/webgpu.ts";
import { requestedThreads } from "./native/register.ts";

/** Which backend to use, and with how many threads. */
export interface NodeBackendOptions {
  /** Forces one backend. Default: the environment variable `VILLA_BACKEND`, else the first that can run. */
  readonly name?: string | undefined;
  /** Threads of the native backend. Default: `VILLA_THREADS`, else every core. */
  readonly threads?: number | undefined;
}

/**
 * What can run TF.js in Node, the preferred one first.
 *
 * @throws VillaError `InvalidArgument` when `VILLA_THREADS` is not a number of threads
 */
export function nodeBackends(options: Omit<NodeBackendOptions, "name"> = {}): BackendCandidate[] {
  checkArgument("options?", options, { "threads?": "count" });
  const { threads = requestedThreads() } = options;

  return [cudaBackend(), webgpuBackend(), nativeBackend({ threads }), wasmBackend({ threads }), plainCpuBackend()];
}

/**
 * Makes the fastest backend of this machine the current one.
 *
 * @throws VillaError `BackendUnavailable` with the reason when the forced backend cannot run here; `InvalidArgument`
 */
export async function useNodeBackend(options: NodeBackendOptions = {}): Promise<ActiveBackend> {
  checkArgument("options?", options, { "name?": "text", "threads?": "count" });

  return useBackend({ candidates: nodeBackends(options), name: options.name });
}
