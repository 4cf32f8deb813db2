import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { checkArgument, isVillaError, type ProgressListener, throwIfAborted, VillaError } from "@villa/data";
import { fileError } from "@villa/data/node";
import {
  folderAt,
  napiVersion,
  type TensorFlowFolder,
  type TensorFlowInstallation,
  tensorFlowFolder,
} from "../tensorflow/installation.ts";
import { coreSymbol } from "../tensorflow/load.ts";
import { checkBinding } from "./check.ts";
import { compileBinding } from "./compile.ts";
import { downloadWheel, findPython, installCudaLibraries, type Python, unpackWheel } from "./python.ts";
import { nodeHeaders, tfjsNode, unpackPackage } from "./sources.ts";

/** Which TensorFlow to set up. */
export interface SetupTensorFlowOptions {
  /** The Python whose TensorFlow is used, or whose pip fetches one. Default: `python3`, then `python`. */
  readonly python?: string | undefined;
  /** A wheel of tensorflow or tensorflow-cpu to use. */
  readonly wheel?: string | undefined;
  /** Fetch the build for CUDA. Default: where an NVIDIA driver is. */
  readonly cuda?: boolean | undefined;
  /** Cache folder. Default: `VILLA_CACHE`, else the user's. */
  readonly cache?: string | undefined;
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Environment of the programs that are run. Default: this process's. */
  readonly env?: NodeJS.ProcessEnv | undefined;
}

/** What was set up. */
export interface SetUpTensorFlow extends TensorFlowInstallation {
  readonly folder: string;
  /** TensorFlow sees a CUDA device now. */
  readonly gpu: boolean;
}

const steps = ["Python", "tfjs-node", "TensorFlow", "CUDA libraries", "compiling", "checking"] as const;

/**
 * Makes TensorFlow's C library ready for the `cuda` backend: takes the one of a Python or of a wheel, compiles tfjs-node's
 * binding against it and tries it. An earlier setup stays in use until the new one has passed.
 *
 * @throws VillaError with what is missing and what to do: `NotFound`, `Network`, `ChecksumMismatch`, `Unsupported`,
 * `InvalidFile`, `BackendUnavailable`, `FileSystem`, `Aborted`
 */
export async function setupTensorFlow(options: SetupTensorFlowOptions = {}): Promise<SetUpTensorFlow> {
  checkArgument("options?", options, {
    "python?": "text",
    "wheel?": "text",
    "cuda?": "boolean",
    "cache?": "text",
    "onProgress?": "function",
    "signal?": "object",
    "env?": "object",
  });

  if (process.platform !== "linux") {
    const why = "PyPI's wheels for other systems come without the C library, or were not tried";
    throw new VillaError("Unsupported", `villa setup tensorflow works on Linux; this is ${process.platform}. ${why}.`);
  }
  const folder = tensorFlowFolder(options.cache);
  const part = folderAt(`${folder.root}.part-${process.pid}`);
  try {
    const { gpu, ...installation } = await build(part, options);
    await rm(folder.root, { recursive: true, force: true });
    await rename(part.root, folder.root);
    return { ...installation, gpu, folder: folder.root };
  } catch (error) {
    throw isVillaError(error) ? error : fileError(error, { path: part.root, doing: "write" });
  } finally {
    await rm(part.root, { recursive: true, force: true });
  }
}

/**
 * Removes what {@link setupTensorFlow} made. Nothing of the Python's is touched.
 *
 * @returns the folder, and whether there was one
 */
export async function removeTensorFlow(options: { cache?: string | undefined } = {}): Promise<{
  folder: string;
  removed: boolean;
}> {
  checkArgument("options?", options, { "cache?": "text" });
  const { cache } = options;

  const { root } = tensorFlowFolder(cache);
  const removed = existsSync(root);
  try {
    await rm(root, { recursive: true, force: true });
  } catch (error) {
    throw fileError(error, { path: root, doing: "write" });
  }
  return { folder: root, removed };
}

async function build(
  part: TensorFlowFolder,
  { python: program, wheel, cuda = hasNvidiaDriver(), onProgress, signal, env }: SetupTensorFlowOptions,
): Promise<TensorFlowInstallation & { gpu: boolean }> {
  const run = { env, signal };
  const step = (name: (typeof steps)[number]) => {
    throwIfAborted(signal);
    onProgress?.({
      task: `setting up TensorFlow: ${name}`,
      done: steps.indexOf(name),
      total: steps.length,
      unit: "steps",
    });
  };
  step("Python");
  if (wheel !== undefined && !existsSync(wheel)) throw new VillaError("NotFound", `There is no wheel at ${wheel}.`);
  const python = await findPython(program, run);
  const own = wheel === undefined ? python.tensorflow : null;

  step("tfjs-node");
  await mkdir(dirname(part.tfjsNode), { recursive: true });
  const headers = join(part.root, "node-api-headers");
  await unpackPackage(tfjsNode, { target: part.tfjsNode, ...run });
  await unpackPackage(nodeHeaders, { target: headers, ...run });
  await writeStandIns(part);

  step("TensorFlow");
  if (own === null) await unpackInto(part, { python, wheel, cuda, ...run });
  const library = own ?? join(part.site, "tensorflow");
  const cudaVersion = await builtForCuda(library);
  step("CUDA libraries");
  if (own === null && cudaVersion !== undefined && cuda) {
    await installCudaLibraries(python, { requirements: await cudaRequirements(part.site), site: part.site, ...run });
  }

  step("compiling");
  const searchPath = own ?? "$ORIGIN/../site/tensorflow";
  const { tfjsNode: sources, binding } = part;
  await compileBinding({ tfjsNode: sources, nodeHeaders: headers, library, searchPath, binding, ...run });
  // Only the compiler read them.
  const compiledFrom = ["tensorflow", "tsl", "xla", "external"].map((name) =>
    join(part.site, "tensorflow/include", name),
  );
  for (const folder of [headers, ...compiledFrom]) await rm(folder, { recursive: true, force: true });
  step("checking");
  const { version, gpu } = await checkBinding(binding, run);
  const platform = `${process.platform} ${process.arch}`;
  const installation = {
    format: 1,
    version,
    cuda: cudaVersion,
    python: own ?? undefined,
    platform,
    napi: napiVersion,
  } as const;
  await writeFile(part.note, `${JSON.stringify(installation, undefined, 2)}\n`);
  return { ...installation, gpu };
}

/** tfjs-node's files require these two; both are the TF.js that loads them. */
async function writeStandIns({ root }: TensorFlowFolder): Promise<void> {
  for (const name of ["tfjs", "tfjs-core"]) {
    const folder = join(root, "node_modules/@tensorflow", name);
    await mkdir(folder, { recursive: true });
    await writeFile(
      join(folder, "index.js"),
      `module.exports = globalThis[Symbol.for(${JSON.stringify(coreSymbol)})];\n`,
    );
  }
}

async function unpackInto(
  { root, site }: TensorFlowFolder,
  {
    python,
    wheel,
    cuda,
    ...run
  }: { python: Python; wheel: string | undefined; cuda: boolean } & Pick<SetupTensorFlowOptions, "env" | "signal">,
): Promise<void> {
  const downloads = join(root, "wheel");
  // The wheels for arm64 have one name only, and no CUDA.
  const name = cuda || process.arch !== "x64" ? "tensorflow" : "tensorflow-cpu";
  const file = wheel === undefined ? await downloadWheel(python, { name, folder: downloads, ...run }) : resolve(wheel);
  await unpackWheel(python, { wheel: file, site, ...run });
  await rm(downloads, { recursive: true, force: true });
}

/** The CUDA version in the wheel's build notes; undefined for a build without. */
async function builtForCuda(library: string): Promise<string | undefined> {
  const notes = await readFile(join(library, "python/platform/build_info.py"), "utf8").catch(() => "");
  if (!/'is_cuda_build', True/.test(notes)) return undefined;
  return /'cuda_version', '([\d.]+)'/.exec(notes)?.[1] ?? "of unknown version";
}

/** "Requires-Dist: nvidia-cublas-cu12<13.0,>=12.5.3.2; extra == "and-cuda"" in the wheel's metadata. */
async function cudaRequirements(site: string): Promise<string[]> {
  const info = (await readdir(site)).find((name) => name.endsWith(".dist-info"));
  const metadata = info ? await readFile(join(site, info, "METADATA"), "utf8") : "";
  const found = metadata.matchAll(/^Requires-Dist: (nvidia-[^;]+?)\s*;[^\n]*extra == ['"]and-cuda['"]/gm);
  return [...found].map(([, requirement]) => requirement!.replace(/[()\s]/g, ""));
}

function hasNvidiaDriver(): boolean {
  const traces = ["/proc/driver/nvidia/version", "/dev/nvidiactl", "/usr/lib/wsl/lib/libcuda.so.1"];
  return traces.some((path) => existsSync(path));
}
