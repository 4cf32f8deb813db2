import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { BackendProbe } from "@villa/core";
import { firstLine } from "@villa/data";
import { hasVulkanDriver } from "../../candidates/vulkan.ts";
import { ownUrl } from "../../location.ts";
import { onnxModel } from "./model.ts";
import type { NativeSession, OnnxBinding } from "./runtime.ts";

/** A device that ONNX Runtime has kernels for: "cpu", "webgpu", "cuda", "tensorrt", "dml" or "coreml". */
export interface OnnxProvider {
  readonly name: string;
  readonly probe: BackendProbe;
}

/** Providers of CUDA come as libraries of their own, which the package's install script fetches when asked. */
const libraries: Readonly<Record<string, string>> = {
  cuda: "libonnxruntime_providers_cuda.so",
  tensorrt: "libonnxruntime_providers_tensorrt.so",
};

/** What the installed ONNX Runtime can run graphs on, each tried; empty where it is not installed. */
export function onnxProviders(): OnnxProvider[] {
  return onnxProviderNames().map((name) => ({ name, probe: probeOnnxProvider(name) }));
}

/** Providers that the installed ONNX Runtime was built with, not tried; none where it is not installed. */
export function onnxProviderNames(): string[] {
  try {
    const { binding, initOrt } = loadBinding();
    initOrt();
    return binding.listSupportedBackends().map(({ name }) => name);
  } catch {
    return []; // the native backend's probe says why
  }
}

/**
 * Tries one of them with a small product. A provider that is not there is found out without loading it: the library prints
 * its failures to stderr.
 */
export function probeOnnxProvider(name: string): BackendProbe {
  const root = dirname(load.resolve("onnxruntime-node/package.json"));
  // CUDA's libraries round products to 10 bits on newer cards unless this is set; the binding passes no option for it.
  if (libraries[name] !== undefined) process.env.NVIDIA_TF32_OVERRIDE ??= "0";
  return absence(name, root) ?? attempt(name, new (loadBinding().binding.InferenceSession)());
}

const load = createRequire(ownUrl(import.meta.url));
const loadBinding = () => load("onnxruntime-node/dist/binding.js") as OnnxBinding;

/** Why a provider is not worth trying; undefined when it is. */
function absence(name: string, root: string): BackendProbe | undefined {
  const library = libraries[name];
  const folder = join(root, "bin/napi-v6", process.platform, process.arch);
  if (library && !existsSync(join(folder, library))) {
    const cure = "ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node fetches it";
    return { available: false, reason: `${library} is not installed; ${cure}.` };
  }
  if (name === "webgpu" && process.platform === "linux" && !hasVulkanDriver()) {
    return { available: false, reason: "no Vulkan driver is installed." };
  }
  return undefined;
}

function attempt(name: string, session: NativeSession): BackendProbe {
  const node = { operator: "MatMul", inputs: ["a", "b"], outputs: ["y"] };
  const matrix = (name: string) => ({ name, rank: 2 });
  const model = onnxModel([node], [matrix("a"), matrix("b")], [matrix("y")]);
  const a = { type: "float32", location: "cpu", data: Float32Array.of(1, 2, 3, 4), dims: [2, 2] };
  const y = { ...a, data: new Float32Array(4) };
  try {
    const options = { executionProviders: [name], logSeverityLevel: 4 };
    session.loadModel(model.buffer, model.byteOffset, model.byteLength, options);
    session.run({ a, b: a }, { y }, {});
  } catch (error) {
    return { available: false, reason: `it does not start (${firstLine(error)}).` };
  }
  if (y.data.join() === "7,10,15,22") return { available: true };
  return { available: false, reason: "it computes wrong results here." };
}
