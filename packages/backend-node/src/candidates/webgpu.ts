import * as tf from "@tensorflow/tfjs-core";
import type { BackendCandidate, BackendProbe } from "@villa/core";
import { useWebGpuKernels } from "@villa/core/kernels";
import { firstLine } from "@villa/data";
import { hasVulkanDriver } from "./vulkan.ts";

interface WebGpuModule {
  readonly WebGPUBackend: new (device: GPUDevice, info: GPUAdapterInfo) => tf.KernelBackend;
}

/** TF.js asks for these as large as the adapter has them; the defaults stop at 128 MiB a tensor. */
const requestedLimits = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxComputeWorkgroupStorageSize",
  "maxComputeWorkgroupsPerDimension",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
] as const satisfies readonly (keyof GPUSupportedLimits)[];
const requestedFeatures = ["timestamp-query", "bgra8unorm-storage"] as const satisfies readonly GPUFeatureName[];

/** A GPU through Dawn (npm `webgpu`): Vulkan, Metal or Direct3D 12. A software device counts only when forced. */
export function webgpuBackend(): BackendCandidate {
  let adapter: GPUAdapter | undefined;
  let device: GPUDevice | undefined;
  return {
    name: "webgpu",
    device: "gpu",
    async probe({ forced } = { forced: false }) {
      const found = await findAdapter();
      if (typeof found === "string") return { available: false, reason: found };
      const probe = judge(found, forced);
      if (probe.available) adapter = found;
      else release();
      return probe;
    },
    async activate() {
      if (device) {
        await tf.setBackend("webgpu"); // an adapter gives one device only
        return;
      }
      const found = adapter ?? (await findAdapter());
      if (typeof found === "string") throw new Error(found);
      // The backend module registers itself at import, and only where it sees navigator.gpu by then.
      const { WebGPUBackend } = (await import("@tensorflow/tfjs-backend-webgpu")) as unknown as WebGpuModule;
      useWebGpuKernels();
      const requiredLimits = Object.fromEntries(requestedLimits.map((name) => [name, found.limits[name]]));
      const requiredFeatures = requestedFeatures.filter((name) => found.features.has(name));
      device = await found.requestDevice({ requiredLimits, requiredFeatures });
      const opened = device;
      if (tf.findBackendFactory("webgpu")) tf.removeBackend("webgpu");
      tf.registerBackend("webgpu", () => new WebGPUBackend(opened, found.info), 0);
      if (!(await tf.setBackend("webgpu"))) throw new Error("TF.js's WebGPU backend did not start");
      await tf.ready();
    },
    dispose() {
      // Dawn's event loop keeps the process alive while the device is.
      if (device) {
        tf.removeBackend("webgpu");
        device.destroy();
        device = undefined;
      }
      adapter = undefined;
      release();
    },
  };
}

function judge({ info, limits }: GPUAdapter, forced: boolean): BackendProbe {
  const name = info.description || [info.vendor, info.architecture, info.device].filter(Boolean).join(" ");
  if (info.isFallbackAdapter && !forced) {
    const how = "set VILLA_BACKEND=webgpu to use it all the same";
    return {
      available: false,
      reason: `the only WebGPU device is a software one, slower than native (${name}); ${how}.`,
    };
  }
  const gigabytes = (limits.maxBufferSize ?? 0) / 2 ** 30;
  return { available: true, detail: `${name}, tensors up to ${gigabytes.toFixed(gigabytes < 1 ? 2 : 0)} GiB` };
}

/** An adapter, or why there is none. */
async function findAdapter(): Promise<GPUAdapter | string> {
  if (process.platform === "linux" && !hasVulkanDriver()) return "no Vulkan driver is installed.";
  let gpu: GPU;
  try {
    gpu = await startDawn();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND") {
      return "the npm module webgpu is not installed. Install it with: npm i webgpu";
    }
    return `the npm module webgpu does not load (${firstLine(error)}).`;
  }
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (adapter) return adapter;
  release();
  return "Dawn finds no graphics device here.";
}

async function startDawn(): Promise<GPU> {
  const existing = (globalThis.navigator as { gpu?: GPU | undefined } | undefined)?.gpu;
  if (existing) return existing;
  const { create, globals } = (await import("webgpu")) as unknown as {
    create(options: string[]): GPU;
    globals: Record<string, unknown>;
  };
  const gpu = create([]);
  Object.assign(globalThis, globals);
  if (!globalThis.navigator) Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });
  Object.defineProperty(globalThis.navigator, "gpu", { value: gpu, configurable: true });
  return gpu;
}

function release(): void {
  const { navigator } = globalThis;
  if (navigator && Object.getOwnPropertyDescriptor(navigator, "gpu")?.configurable) {
    Reflect.deleteProperty(navigator, "gpu");
  }
}
