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
