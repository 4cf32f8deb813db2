import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as tf from "@tensorflow/tfjs-core";
import { ownUrl } from "../location.ts";
import { type NodeKernelBackend, type TensorFlowBinding, tensorFlowBackend } from "./backend.ts";
import type { TensorFlowFolder } from "./installation.ts";
import { repairTensorFlow } from "./repair.ts";

/**
 * Loads what `villa setup tensorflow` made and registers it with TF.js; the current backend stays. tfjs-node's own entry
 * would insist on a library that it downloads, so its backend class and its kernels are loaded one by one.
 *
 * @throws whatever the system's loader says when the library does not fit
 */
export function loadTensorFlow(folder: TensorFlowFolder): NodeKernelBackend {
  const known = tf.findBackend(tensorFlowBackend) as NodeKernelBackend | null;
  if (known) return known;
  setDefaults();
  restoreUtil();
  // Read by the stand-ins for @tensorflow/tfjs and tfjs-core: tfjs-node's files must get this copy of the library.
  (globalThis as Record<symbol, unknown>)[Symbol.for(coreSymbol)] = tf;
  const require = createRequire(pathToFileURL(join(folder.tfjsNode, "package.json")).href);
  leaveOut(require, join(folder.tfjsNode, "dist/proto/api_pb.js"));
  const binding = require(folder.binding) as TensorFlowBinding;
  const { NodeJSKernelBackend } = require("./dist/nodejs_kernel_backend.js") as {
    NodeJSKernelBackend: new (binding: TensorFlowBinding, packageName: string) => NodeKernelBackend;
  };
  require("./dist/register_all_kernels.js");
  const name = `@tensorflow/tfjs-node${binding.isUsingGpuDevice() ? "-gpu" : ""}`;
  tf.registerBackend(tensorFlowBackend, () => new NodeJSKernelBackend(binding, name), 0);
  repairTensorFlow();
  return tf.findBackend(tensorFlowBackend) as NodeKernelBackend;
}

/** Name of the global symbol under which the stand-in packages find TF.js. */
export const coreSymbol = "@villa/backend-node:tfjs-core";

/**
 * What TensorFlow reads from the environment when it starts, unless the user has set it. A worker thread's environment is a
 * copy that the library does not see, so the main thread sets it.
 */
export function setDefaults(): void {
  // Its notes about instruction sets and missing drivers: what matters comes back as an error.
  process.env.TF_CPP_MIN_LOG_LEVEL ??= "3";
  // Otherwise one process takes all of the card's memory, and a second one, or a worker, gets none.
  process.env.TF_FORCE_GPU_ALLOW_GROWTH ??= "true";
}

/** Saved models are not read here, and their protocol buffers would need another package. */
function leaveOut(require: NodeJS.Require, path: string): void {
  require.cache[path] ??= { id: path, filename: path, path, loaded: true, exports: {} } as NodeJS.Module;
}

/** tfjs-node calls `util.isNullOrUndefined` and `util.isArray`: Node 22 warns of them, Node 23 has removed them. */
export function restoreUtil(): void {
  const util = createRequire(ownUrl(import.meta.url))("node:util") as Record<string, unknown>;
  util.isNullOrUndefined = (value: unknown) => value === null || value === undefined;
  util.isArray = Array.isArray;
}
