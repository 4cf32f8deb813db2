import { activateRepairedWasm, type BackendCandidate } from "@villa/core";

/** TF.js's WebAssembly backend, repaired: the fallback that every machine can run. */
export function wasmBackend(): BackendCandidate {
  return {
    name: "wasm",
    device: "cpu",
    probe: async () =>
      typeof WebAssembly === "object"
        ? { available: true, detail: "WebAssembly" }
        : { available: false, reason: "this JavaScript engine has no WebAssembly." },
    activate: async () => {
      await import("@tensorflow/tfjs-backend-wasm");
      await activateRepairedWasm();
    },
  };
}
