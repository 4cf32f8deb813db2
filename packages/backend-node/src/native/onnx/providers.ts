import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { BackendProbe } from "@villa/core";
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

/**
 * What the installed ONNX Runtime can run graphs on, each tried with a small product; empty where it is not installed.
 * A provider that is not there is found out without loading it: the library prints its failures to stderr.
 */
export function onnxProviders(): OnnxProvider[] {
  const load = createRequire(ownUrl(import.meta.url));
  try {
    const { binding, initOrt } = load("onnxruntime-node/dist/binding.js") as OnnxBinding;
    const root = dirname(load.resolve("onnxruntime-node/package.json"));
    initOrt();
    const supported = binding.listSupportedBackends().map(({ name }) => name);
    return supported.map((name) => ({
      name,
      probe: absence(name, root) ?? attempt(name, new binding.InferenceSession()),
    }));
  } catch {
    return []; // the native backend's probe says why
  }
}

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
    const message = error instanceof Error ? error.message : String(error);
    return { available: false, reason: `it does not start (${message.split("\n")[0]}).` };
  }
  if (y.data.join() === "7,10,15,22") return { available: true };
  return { available: false, reason: "it computes wrong results here." };
}
