import { activateRepairedWasm, type BackendCandidate } from "@villa/core";

/** Where the browser finds TF.js's WebAssembly modules. */
export interface WasmOptions {
  /**
   * Folder that serves the `.wasm` files of `@tensorflow/tfjs-backend-wasm`, ending in a slash, or the URL of each file by
   * its name (what a bundler's `?url` import gives). Default: jsDelivr's copy of the same version.
   */
  readonly wasmFiles?: string | Readonly<Record<string, string>> | undefined;
}

const version = "4.22.0";
const cdn = `https://cdn.jsdelivr.net/npm/@tensorflow/tfjs-backend-wasm@${version}/dist/`;

/** TF.js's WebAssembly backend, repaired: runs in every browser. */
export function wasmBackend({ wasmFiles = cdn }: WasmOptions = {}): BackendCandidate {
  return {
    name: "wasm",
    device: "cpu",
    probe: async () =>
      typeof WebAssembly === "object"
        ? { available: true, detail: "WebAssembly" }
        : { available: false, reason: "this browser has no WebAssembly." },
    activate: async () => {
      const { setWasmPaths } = await import("@tensorflow/tfjs-backend-wasm");
      try {
        setWasmPaths(wasmFiles as Parameters<typeof setWasmPaths>[0]);
      } catch {
        // The module was started already; it keeps the files it has.
      }
      await activateRepairedWasm();
    },
  };
}
