import { availableParallelism } from "node:os";
import * as tf from "@tensorflow/tfjs-core";
import { overridesOf, registerHeapBackend } from "@villa/core/kernels";
import { checkArgument, VillaError } from "@villa/data";
import { NativeBackend } from "./backend.ts";
import { loadOnnxRuntime } from "./onnx/runtime.ts";
import { registerTransformer } from "./transformer.ts";
import { registerTransformerBlock } from "./transformer-block.ts";

const native = "native";

/** Settings of the native backend. */
export interface NativeOptions {
  /** Threads of one ONNX Runtime kernel. Default: `VILLA_THREADS`, else every core. */
  readonly threads?: number | undefined;
}

/**
 * Makes "native" the current TF.js backend: ONNX Runtime's CPU kernels for products and convolutions, vector kernels for
 * the rest, TF.js's own cpu kernels for whatever neither covers.
 *
 * @throws Error when onnxruntime-node cannot be loaded
 */
export async function activateNative(options: NativeOptions = {}): Promise<void> {
  checkArgument("options?", options, { "threads?": "count" });
  const { threads } = options;

  if (!tf.findBackendFactory(native)) {
    const onnx = loadOnnxRuntime(threads ?? requestedThreads());
    registerHeapBackend(native, () => new NativeBackend(onnx));
    const override = overridesOf<NativeBackend>(native);
    registerTransformer(override);
    registerTransformerBlock(override);
  }
  await tf.setBackend(native);
  await tf.ready();
}

/**
 * `VILLA_THREADS`, or one thread per core.
 *
 * @throws VillaError `InvalidArgument` when the variable is not a whole number of at least 1
 */
export function requestedThreads(): number {
  const wanted = process.env.VILLA_THREADS?.trim() ?? "";
  if (wanted === "") return availableParallelism();
  if (/^\d+$/.test(wanted) && Number(wanted) >= 1 && Number.isSafeInteger(Number(wanted))) return Number(wanted);
  throw new VillaError(
    "InvalidArgument",
    `The environment variable VILLA_THREADS is "${wanted}"; set it to a whole number of at least 1, or unset it.`,
  );
}
