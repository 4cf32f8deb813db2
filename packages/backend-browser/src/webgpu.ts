import * as tf from "@tensorflow/tfjs-core";
import type { BackendCandidate } from "@villa/core";
import { type DeviceBackend, deviceLoss, releaseDevice, startOnDevice } from "./device.ts";

interface WebGpuBackend extends tf.KernelBackend {
  readonly device: GPUDevice;
}

const webgpu: DeviceBackend = {
  name: "webgpu",
  priority: 3,
  watch: async (backend) => {
    await (backend as WebGpuBackend).device.lost;
    return "the browser lost its WebGPU device.";
  },
};

/** The GPU through the browser's WebGPU. A software adapter counts only when forced. */
export function webgpuBackend(): BackendCandidate {
  return {
    name: "webgpu",
    device: "gpu",
    async probe({ forced } = { forced: false }) {
      const { gpu } = (globalThis.navigator ?? {}) as { gpu?: GPU | undefined };
      if (!gpu) return { available: false, reason: "this browser has no WebGPU, or the page is not a secure context." };
      const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
      if (!adapter) return { available: false, reason: "WebGPU finds no graphics device here." };
      // Browsers before 2025 say it on the adapter, or have no info at all.
      const { info, isFallbackAdapter } = adapter as { info?: GPUAdapterInfo; isFallbackAdapter?: boolean };
      const software = info?.isFallbackAdapter ?? isFallbackAdapter ?? false;
      const name = [info?.vendor, info?.architecture].filter(Boolean).join(" ") || "unnamed adapter";
      if (software && !forced)
        return { available: false, reason: `the only WebGPU device is a software one (${name}).` };
      return { available: true, detail: name };
    },
    async activate() {
      await import("@tensorflow/tfjs-backend-webgpu");
      (await import("@villa/core/kernels")).useWebGpuKernels();
      await startOnDevice(webgpu);
    },
    lost: () => deviceLoss(webgpu),
    dispose() {
      if (tf.getBackend() !== "webgpu") releaseDevice(webgpu);
    },
  };
}
