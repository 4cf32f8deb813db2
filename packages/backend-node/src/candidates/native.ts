import type { BackendCandidate, BackendProbe } from "@villa/core";
import { checkArgument, firstLine } from "@villa/data";
import { loadOnnxRuntime, onnxruntimeVersion } from "../native/onnx/runtime.ts";
import { activateNative, type NativeOptions, requestedThreads } from "../native/register.ts";

const cure = `Install it with: ONNXRUNTIME_NODE_INSTALL=skip npm i onnxruntime-node@${onnxruntimeVersion}`;

/** ONNX Runtime's CPU kernels under TF.js: the fastest backend of a machine without a GPU. */
export function nativeBackend(options: NativeOptions = {}): BackendCandidate {
  checkArgument("options?", options, { "threads?": "count" });

  return {
    name: "native",
    device: "cpu",
    probe: async () => probeNative(options.threads ?? requestedThreads()),
    activate: () => activateNative(options),
  };
}

/** Loads the engine and multiplies two small matrices with it: an entry that changed shows here, not in a training run. */
export function probeNative(threads: number, load: typeof loadOnnxRuntime = loadOnnxRuntime): BackendProbe {
  try {
    const onnx = load(1);
    const a = { data: Float32Array.of(1, 2, 3, 4), dims: [2, 2] };
    const y = { data: new Float32Array(4), dims: [2, 2] };
    const node = { operator: "MatMul", inputs: ["a", "b"], outputs: ["y"] };
    onnx.run("probe", () => ({ nodes: [node], inputRanks: [2, 2], outputRank: 2 }), [a, a], y);
    if (y.data.join() !== "7,10,15,22") {
      return { available: false, reason: `onnxruntime-node ${onnx.version} computes wrong results here. ${cure}` };
    }
    return { available: true, detail: `ONNX Runtime ${onnx.version}, ${threads} thread${threads === 1 ? "" : "s"}` };
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND";
    const problem = missing
      ? "onnxruntime-node is not installed, or has no binary for this platform"
      : `onnxruntime-node does not load (${firstLine(error)})`;
    return { available: false, reason: `${problem}. ${cure}` };
  }
}
