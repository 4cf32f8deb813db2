import { useWebGpuProducts } from "./filter-gradient.ts";
import { useWebGpuHalves } from "./half-storage.ts";

/** Registers what TF.js's WebGPU backend lacks or does slowly. Call it once the backend's module is imported. */
export function useWebGpuKernels(): void {
  useWebGpuProducts();
  useWebGpuHalves();
}
