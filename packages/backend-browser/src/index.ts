export { type BrowserBackendOptions, browserBackends, useBrowserBackend } from "./use-backend.ts";
export { type WasmOptions, wasmBackend } from "./wasm.ts";
export { webglBackend } from "./webgl.ts";
export { webgpuBackend } from "./webgpu.ts";
