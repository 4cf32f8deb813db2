import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { cacheDirectory } from "@villa/data/node";

/** The binding is compiled for this version of Node's C interface, which every Node from 16 on has. */
export const napiVersion = 8;

/** What `villa setup tensorflow` noted about the TensorFlow that it set up. */
export interface TensorFlowInstallation {
  readonly format: 1;
  /** Version that the library names, e.g. "2.21.0". */
  readonly version: string;
  /** CUDA version that the library was built for; absent in a build without CUDA. */
  readonly cuda?: string | undefined;
  /** The `tensorflow` folder of the Python whose libraries are used; absent where they lie in the cache. */
  readonly python?: string | undefined;
  /** `process.platform` and `process.arch` that the binding was compiled for. */
  readonly platform: string;
  readonly napi: number;
}

/** Files of an installation. `root/node_modules` holds what stands in for the packages that tfjs-node's files require. */
export interface TensorFlowFolder {
  readonly root: string;
  readonly note: string;
  /** The unpacked npm package @tensorflow/tfjs-node. */
  readonly tfjsNode: string;
  readonly binding: string;
  /** Holds `tensorflow/` and, for CUDA, `nvidia/`, side by side as in a Python's site-packages. */
  readonly site: string;
}

export const libraryNames = ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"] as const;
const again = "Run villa setup tensorflow again";

/** Where an installation lies. */
export function tensorFlowFolder(cache: string = cacheDirectory()): TensorFlowFolder {
  return folderAt(join(cache, "tensorflow"));
}

/** The files of an installation in a given folder. */
export function folderAt(root: string): TensorFlowFolder {
  return {
    root,
    note: join(root, "installation.json"),
    tfjsNode: join(root, "tfjs-node"),
    binding: join(root, "binding", "tfjs_binding.node"),
    site: join(root, "site"),
  };
}

/**
 * What is set up, the reason why it cannot be used here, or undefined when nothing is.
 *
 * @param process what runs: its platform, architecture and versions
 */
export function findInstallation(
  folder: TensorFlowFolder,
  { platform, arch, versions }: Pick<NodeJS.Process, "platform" | "arch" | "versions"> = process,
): TensorFlowInstallation | string | undefined {
  if (!existsSync(folder.note)) return undefined;
  let installation: TensorFlowInstallation;
  try {
    installation = JSON.parse(readFileSync(folder.note, "utf8")) as TensorFlowInstallation;
  } catch {
    return `${folder.note} cannot be read. ${again}.`;
  }
  if (installation.format !== 1) return `${folder.note} was written by another version of villa. ${again}.`;
  const here = `${platform} ${arch}`;
  if (installation.platform !== here) {
    return `TensorFlow was set up for ${installation.platform}, and this is ${here}. ${again} here, with a VILLA_CACHE of its own.`;
  }
  if (installation.napi > Number(versions.napi)) {
    const needs = `its binding needs N-API ${installation.napi}`;
    return `TensorFlow is set up, but ${needs} and Node ${versions.node} offers ${versions.napi}. Use a newer Node.`;
  }
  const library = installation.python ?? join(folder.site, "tensorflow");
  const lost = [...libraryNames.map((name) => join(library, name)), folder.binding].find((file) => !existsSync(file));
  if (lost) return `TensorFlow was set up, but ${lost} is gone. ${again}.`;
  return installation;
}

/** "TensorFlow 2.21.0, CUDA 12.5.1" */
export function describeInstallation({ version, cuda }: TensorFlowInstallation): string {
  return `TensorFlow ${version}, ${cuda ? `CUDA ${cuda}` : "built for CPUs"}`;
}
