import { availableParallelism } from "node:os";
import * as tf from "@tensorflow/tfjs-core";
import { checkArgument, VillaError } from "@villa/data";
import { NativeBackend } from "./backend.ts";
import { registerComparisons } from "./kernels/compare.ts";
import { registerConvolutions } from "./kernels/conv.ts";
import { registerElementwise } from "./kernels/elementwise.ts";
import { registerFused } from "./kernels/fused.ts";
import { registerLayout } from "./kernels/layout.ts";
import { registerMatMul } from "./kernels/matmul.ts";
import { registerPooling } from "./kernels/pool.ts";
import { registerReductions } from "./kernels/reduce.ts";
import { native } from "./kernels/register.ts";
import { registerTransformer } from "./kernels/transformer.ts";
import { registerTransformerBlock } from "./kernels/transformer-block.ts";
import { loadOnnxRuntime } from "./onnx/runtime.ts";

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
    tf.registerBackend(native, () => new NativeBackend(onnx), 0);
    tf.copyRegisteredKernels("cpu", native);
    registerElementwise();
    registerComparisons();
    registerReductions();
    registerLayout();
    registerMatMul();
    registerConvolutions();
    registerPooling();
    registerFused();
    registerTransformer();
    registerTransformerBlock();
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
