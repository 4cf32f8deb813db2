import * as tf from "@tensorflow/tfjs-core";
import type { HeapBackend } from "./heap-backend.ts";
import { registerComparisons } from "./kernels/compare.ts";
import { registerConvolutions } from "./kernels/conv.ts";
import { registerDepthwise } from "./kernels/depthwise.ts";
import { registerElementwise } from "./kernels/elementwise.ts";
import { registerFused } from "./kernels/fused.ts";
import { registerLayout } from "./kernels/layout.ts";
import { registerMatMul } from "./kernels/matmul.ts";
import { registerPooling } from "./kernels/pool.ts";
import { registerReductions } from "./kernels/reduce.ts";
import { overridesOf } from "./kernels/register.ts";
import { registerTransformerParts } from "./kernels/transformer.ts";

/** Registers a heap backend under this name: the vector kernels, and TF.js's cpu kernels for what they do not cover. */
export function registerHeapBackend(name: string, create: () => HeapBackend): void {
  tf.registerBackend(name, create, 0);
  if (tf.getKernelsForBackend(name).length > 0) return; // registered again: kernels outlive their backend
  tf.copyRegisteredKernels("cpu", name);
  const override = overridesOf(name);
  registerElementwise(override);
  registerComparisons(override);
  registerReductions(override);
  registerLayout(override);
  registerMatMul(override);
  registerConvolutions(override);
  registerDepthwise(override);
  registerPooling(override);
  registerFused(override);
  registerTransformerParts(override);
}
