import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as tf from "@tensorflow/tfjs-core";
import type { BackendCandidate, BackendProbe } from "@villa/core";
import { checkArgument, firstLine } from "@villa/data";
import { ownUrl } from "../location.ts";
import { type NodeKernelBackend, tensorFlowBackend } from "../tensorflow/backend.ts";
import {
  describeInstallation,
  findInstallation,
  type TensorFlowFolder,
  tensorFlowFolder,
} from "../tensorflow/installation.ts";
import { loadTensorFlow, restoreUtil, setDefaults } from "../tensorflow/load.ts";
import { repairTensorFlow } from "../tensorflow/repair.ts";

const packages = ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"];
const cure = "Set it up with: villa setup tensorflow";

/** Where the `cuda` candidate finds TensorFlow. */
export interface CudaOptions {
  /** Cache folder that `villa setup tensorflow` wrote to. Default: `VILLA_CACHE`, else the user's. */
  readonly cache?: string | undefined;
  /** Folders to look for the npm packages in. Default: this package's own and the current one. */
  readonly searchPaths?: readonly string[] | undefined;
}

/**
 * TensorFlow's C library: the one that `villa setup tensorflow` made ready, else that of an installed
 * `@tensorflow/tfjs-node-gpu` or `tfjs-node`. Without a CUDA device it counts only when forced.
 */
export function cudaBackend(options: CudaOptions = {}): BackendCandidate {
  checkArgument("options?", options, { "cache?": "text", "searchPaths?": ["text"] });
  const { cache, searchPaths } = options;

  const probe = (forced: boolean): BackendProbe | Promise<BackendProbe> => {
    const folder = tensorFlowFolder(cache);
    const installation = findInstallation(folder);
    if (typeof installation === "string") return { available: false, reason: installation };
    if (!installation) return loadPackage(searchPaths, forced);
    setDefaults();
    const detail = describeInstallation(installation);
    // A library of a gigabyte is not loaded only to find out that it was built without CUDA.
    if (!installation.cuda && !forced) return { available: false, reason: onlyForced(detail) };
    return loadInstallation(folder, detail, forced);
  };
  return {
    name: "cuda",
    device: "gpu",
    probe: async ({ forced } = { forced: false }) => probe(forced),
    activate: async () => {
      const result = await probe(true);
      if (!result.available) throw new Error(result.reason);
      if (!(await tf.setBackend(tensorFlowBackend))) throw new Error("TensorFlow's library did not start");
      await tf.ready();
    },
  };
}

function loadInstallation(folder: TensorFlowFolder, detail: string, forced: boolean): BackendProbe {
  try {
    return judge(loadTensorFlow(folder), detail, forced);
  } catch (error) {
    return { available: false, reason: `${detail}, is set up but does not load (${firstLine(error)}). ${cure}` };
  }
}

/** Loads the first npm package that is installed; the current backend stays. */
async function loadPackage(searchPaths: readonly string[] | undefined, forced: boolean): Promise<BackendProbe> {
  const found = packages.map((name) => ({ name, path: resolve(name, searchPaths) })).find(({ path }) => path);
  if (!found?.path) return { available: false, reason: `TensorFlow is not set up. ${cure}` };
  const current = tf.engine().backendName;
  try {
    restoreUtil();
    createRequire(found.path)(found.path);
  } catch (error) {
    const reason = `${found.name} is installed but does not load (${firstLine(error)}). Remove it, then: ${cure}`;
    return { available: false, reason };
  } finally {
    // The package makes its own backend the current one.
    if (current && tf.engine().backendName !== current) await tf.setBackend(current);
  }
  const backend = tf.findBackend(tensorFlowBackend) as NodeKernelBackend | null;
  if (!backend) {
    const why = "it comes with another copy of @tensorflow/tfjs-core than 4.22.0";
    return { available: false, reason: `${found.name} is installed but does not fit: ${why}.` };
  }
  repairTensorFlow();
  return judge(backend, found.name, forced);
}

function judge({ isUsingGpuDevice }: NodeKernelBackend, detail: string, forced: boolean): BackendProbe {
  if (isUsingGpuDevice) return { available: true, detail: `${detail}, on a CUDA device` };
  if (forced) return { available: true, detail: `${detail}, without a GPU` };
  return { available: false, reason: onlyForced(`${detail}, sees no CUDA device`) };
}

function onlyForced(what: string): string {
  return `${what}; set VILLA_BACKEND=cuda to use it on the CPU all the same.`;
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
