export { nativeBackend } from "./candidates/native.ts";
export { wasmBackend } from "./candidates/wasm.ts";
export { activateNative, type NativeOptions } from "./native/register.ts";
export { createTaskPool, type TaskPoolOptions } from "./tasks/pool.ts";
export { type NodeBackendOptions, nodeBackends, useNodeBackend } from "./use-backend.ts";
