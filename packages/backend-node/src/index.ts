/**
 * TensorFlow.js backends of Node: native kernels, WebGPU, TensorFlow or WebAssembly, picked when the program runs.
 *
 * @example
 * import { createTaskPool, doctor, formatDiagnosis, useNodeBackend } from "@villa/backend-node";
 *
 * const backend = await useNodeBackend(); // the first that can run; { name: "wasm" } or VILLA_BACKEND forces one
 * console.log(formatDiagnosis(await doctor({ seconds: 0.1 }))); // every backend: why not, or how fast
 * const pool = createTaskPool({ threads: 2 }); // worker threads, each with a backend of its own
 * await pool.close();
 * await backend.dispose();
 *
 * @module
 */
export { type CudaOptions, cudaBackend } from "./candidates/cuda.ts";
export { nativeBackend } from "./candidates/native.ts";
export { wasmBackend } from "./candidates/wasm.ts";
export { webgpuBackend } from "./candidates/webgpu.ts";
export {
  type BackendDiagnosis,
  type BackendFigures,
  type Diagnosis,
  type DoctorOptions,
  doctor,
  formatDiagnosis,
} from "./doctor.ts";
export type { GraphProvider } from "./native/onnx/graph-provider.ts";
export type { OnnxProvider } from "./native/onnx/providers.ts";
export { activateNative, type NativeOptions } from "./native/register.ts";
export {
  removeTensorFlow,
  type SetUpTensorFlow,
  type SetupTensorFlowOptions,
  setupTensorFlow,
} from "./setup/tensorflow.ts";
export { createTaskPool, type TaskPoolOptions } from "./tasks/pool.ts";
export { type NodeBackendOptions, nodeBackends, useNodeBackend } from "./use-backend.ts";
