import * as tf from "@tensorflow/tfjs-core";
import type { BackendCandidate } from "@villa/core";
import { type DeviceBackend, deviceLoss, releaseDevice, startOnDevice } from "./device.ts";

/** The little of WebGPU's types that is needed here. */
interface Gpu {
  requestAdapter(options: object): Promise<GpuAdapter | null>;
}
interface GpuAdapter {
  readonly info?:
    | { readonly vendor: string; readonly architecture: string; readonly isFallbackAdapter?: boolean | undefined }
    | undefined;
  readonly isFallbackAdapter?: boolean | undefined;
}
interface WebGpuBackend extends tf.KernelBackend {
  readonly device: { readonly lost: Promise<unknown> };
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
      const { gpu } = (globalThis.navigator ?? {}) as { gpu?: Gpu | undefined };
      if (!gpu) return { available: false, reason: "this browser has no WebGPU, or the page is not a secure context." };
      const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
      if (!adapter) return { available: false, reason: "WebGPU finds no graphics device here." };
      const software = adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter ?? false;
      const name = [adapter.info?.vendor, adapter.info?.architecture].filter(Boolean).join(" ") || "unnamed adapter";
      if (software && !forced)
        return { available: false, reason: `the only WebGPU device is a software one (${name}).` };
      return { available: true, detail: name };
    },
    async activate() {
      await import("@tensorflow/tfjs-backend-webgpu");
      await startOnDevice(webgpu);
    },
    lost: () => deviceLoss(webgpu),
    dispose() {
      if (tf.getBackend() !== "webgpu") releaseDevice(webgpu);
    },
  };
}
