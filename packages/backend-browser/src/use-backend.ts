import { type ActiveBackend, type BackendCandidate, plainCpuBackend, useBackend } from "@villa/core";
import { type WasmOptions, wasmBackend } from "./wasm.ts";
import { webglBackend } from "./webgl.ts";
import { webgpuBackend } from "./webgpu.ts";

export interface BrowserBackendOptions extends WasmOptions {
  /** Forces one backend. Default: the first that can run. */
  readonly name?: string | undefined;
}

/** What can run TF.js in a browser, the preferred one first: webgpu, webgl, wasm, cpu. */
export function browserBackends(options: WasmOptions = {}): BackendCandidate[] {
  return [webgpuBackend(), webglBackend(), wasmBackend(options), plainCpuBackend()];
}

/**
 * Makes the fastest backend of this browser the current one.
 *
 * @throws VillaError `BackendUnavailable` with the reason when the forced backend cannot run here
 */
export function useBrowserBackend(options: BrowserBackendOptions = {}): Promise<ActiveBackend> {
  return useBackend({ candidates: browserBackends(options), name: options.name });
}
