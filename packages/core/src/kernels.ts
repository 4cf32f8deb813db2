/**
 * The backend whose tensors live in a WebAssembly heap, for packages that offer it to users (`@villa/backend-node`,
 * `@villa/backend-browser`) or add kernels to it.
 *
 * @example
 * import { activateWasm } from "@villa/core/kernels";
 *
 * await activateWasm({ threads: 1, start: () => () => {} }); // TF.js computes in WebAssembly now, on one thread
 *
 * @module
 */
export { Heap, type HeapOptions } from "./backend/heap/heap.ts";
export { HeapBackend } from "./backend/heap/heap-backend.ts";
export {
  type HeapKernel,
  input,
  type KernelCall,
  type KernelResult,
  type Override,
  onFloats,
  overridesOf,
  sizeOf,
} from "./backend/heap/kernels/register.ts";
export type { Operand, ProductEngine, Scratch, Transposes } from "./backend/heap/products.ts";
export { registerHeapBackend } from "./backend/heap/register.ts";
export type { StartThread } from "./backend/heap/team.ts";
export { activateWasm, releaseWasm, type WasmBackendOptions } from "./backend/heap/wasm-backend.ts";
export type { Workspace } from "./backend/heap/workspace.ts";
export { useWebGpuKernels } from "./backend/webgpu/register.ts";
