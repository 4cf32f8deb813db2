/**
 * TensorFlow.js backends of a page: WebGPU, WebGL, WebAssembly or plain JavaScript, picked when the page runs.
 *
 * @example
 * import { useBrowserBackend } from "@villa/backend-browser";
 *
 * const backend = await useBrowserBackend(); // the fastest that the browser offers; { name: "wasm" } forces one
 * console.log(backend.name, backend.detail);
 *
 * @module
 */
export { type BrowserBackendOptions, browserBackends, useBrowserBackend } from "./use-backend.ts";
export { type WasmOptions, wasmBackend } from "./wasm.ts";
export { webglBackend } from "./webgl.ts";
export { webgpuBackend } from "./webgpu.ts";
