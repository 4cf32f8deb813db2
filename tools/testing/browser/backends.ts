/// <reference types="vite/client" />
import plain from "../../../packages/backend-browser/node_modules/@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url";
import simd from "../../../packages/backend-browser/node_modules/@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url";
import threaded from "../../../packages/backend-browser/node_modules/@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url";
import { browserBackends } from "../../../packages/backend-browser/src/index.ts";
import type { TestBackend } from "../backends.ts";

/** TF.js's WebAssembly modules, as the test server serves them. */
export const wasmFiles = {
  "tfjs-backend-wasm.wasm": plain,
  "tfjs-backend-wasm-simd.wasm": simd,
  "tfjs-backend-wasm-threaded-simd.wasm": threaded,
};

const reports = await Promise.all(
  browserBackends({ wasmFiles }).map(async (candidate) => ({
    candidate,
    // Headless browsers render in software; their results count all the same.
    runs: (await candidate.probe({ forced: true })).available,
  })),
);

/** Every backend of this browser, for `describe.each`. */
export function testBackends(): TestBackend[] {
  return reports
    .filter(({ runs }) => runs)
    .map(({ candidate }) => ({ name: candidate.name, activate: () => candidate.activate() }));
}
