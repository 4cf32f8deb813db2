import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as tf from "@tensorflow/tfjs-core";
import type { BackendCandidate, BackendProbe } from "@villa/core";
import { ownUrl } from "../location.ts";

/** TF.js calls both packages' backend this. */
const tensorflow = "tensorflow";
const packages = ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"];
const cure = "Install it with: npm i @tensorflow/tfjs-node-gpu@4.22.0 (needs CUDA 11.2)";

/** Where the `cuda` candidate finds TensorFlow. */
export interface CudaOptions {
  /** Folders to look for the optional packages in. Default: this package's own and the current one. */
  readonly searchPaths?: readonly string[] | undefined;
}

/**
 * TensorFlow's C library through `@tensorflow/tfjs-node-gpu`, or `tfjs-node` when forced. The package is the user's to
 * install: it downloads the library while installing and needs one CUDA version.
 */
export function cudaBackend({ searchPaths }: CudaOptions = {}): BackendCandidate {
  return {
    name: "cuda",
    device: "gpu",
    probe: async ({ forced } = { forced: false }) => load(searchPaths, forced),
    activate: async () => {
      const probe = await load(searchPaths, true);
      if (!probe.available) throw new Error(probe.reason);
      if (!(await tf.setBackend(tensorflow))) throw new Error("TensorFlow's library did not start");
      await tf.ready();
    },
  };
}

/** Loads the first package that is installed and says what it offers; the current backend stays. */
async function load(searchPaths: readonly string[] | undefined, forced: boolean): Promise<BackendProbe> {
  const found = packages.map((name) => ({ name, path: resolve(name, searchPaths) })).find(({ path }) => path);
  if (!found?.path) return { available: false, reason: `@tensorflow/tfjs-node-gpu is not installed. ${cure}` };
  const current = tf.engine().backendName;
  try {
    restoreUtil();
    createRequire(found.path)(found.path);
  } catch (error) {
    const message = error instanceof Error ? error.message.split("\n")[0] : String(error);
    return { available: false, reason: `${found.name} is installed but does not load (${message}). ${cure}` };
  } finally {
    // The package makes its own backend the current one.
    if (current && tf.engine().backendName !== current) await tf.setBackend(current);
  }
  const backend = tf.findBackend(tensorflow) as (tf.KernelBackend & { isUsingGpuDevice?: boolean | undefined }) | null;
  if (!backend) {
    const why = "it comes with another copy of @tensorflow/tfjs-core than 4.22.0";
    return { available: false, reason: `${found.name} is installed but does not fit: ${why}.` };
  }
  if (backend.isUsingGpuDevice) return { available: true, detail: `${found.name}, CUDA` };
  if (forced) return { available: true, detail: `${found.name}, without a GPU` };
  return { available: false, reason: `${found.name} is installed but sees no CUDA device.` };
}

function resolve(name: string, searchPaths: readonly string[] | undefined): string | undefined {
  const bases = searchPaths?.map((folder) => pathToFileURL(join(folder, "package.json")).href) ?? [
    ownUrl(import.meta.url),
    pathToFileURL(join(process.cwd(), "package.json")).href,
  ];
  for (const base of bases) {
    try {
      return createRequire(base).resolve(name);
    } catch {
      // Not installed there.
    }
  }
  return undefined;
}

/** tfjs-node calls `util.isNullOrUndefined` and `util.isArray`, which Node 23 removed. */
function restoreUtil(): void {
  const util = createRequire(ownUrl(import.meta.url))("node:util") as Record<string, unknown>;
  util.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  util.isArray ??= Array.isArray;
}
