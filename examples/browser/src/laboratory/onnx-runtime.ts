import type { OnnxRuntime } from "@villa/encoders";
import wasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";

/** ONNX Runtime, which the page loads, with its 14 MB of WebAssembly, for the first ONNX model that a visitor brings. */
export async function onnxRuntime(): Promise<OnnxRuntime> {
  const runtime = await import("onnxruntime-web/wasm");
  // Its own guess would be another host, or a file beside a script that has been renamed.
  runtime.env.wasm.wasmPaths = { wasm };
  // Threads share memory, which only isolated pages may.
  runtime.env.wasm.numThreads = crossOriginIsolated ? navigator.hardwareConcurrency : 1;
  return runtime;
}
