import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { graphCompiler } from "@villa/core";
import { checkArgument, firstLine, VillaError } from "@villa/data";
import type { EncoderFiles } from "../files.ts";
import { type OnnxFiles, type OnnxModel, type OnnxRuntime, openOnnxModel } from "../onnx/runtime.ts";
import { readJson } from "../weight-folder.ts";
import { type DownloadModelOptions, downloadModel, downloadRule } from "./hub.ts";
import { isHubReference } from "./hub-cache.ts";
import { diskFolder, findWeights, openWeights } from "./open-weights.ts";

/**
 * A model's folder as Hugging Face or OpenCLIP lays it out, a single file of weights or an ONNX model in its folder, or a
 * model on the hub (`hf:ORG/NAME[@REVISION]`), which is downloaded first.
 *
 * @throws VillaError `NotFound`, `InvalidFile`, and for the hub those of {@link downloadModel}
 */
export async function openEncoderFiles(path: string, options: DownloadModelOptions = {}): Promise<EncoderFiles> {
  checkArgument("path", path, "text");
  checkArgument("options?", options, downloadRule);

  if (isHubReference(path)) {
    const { path: folder, revision } = await downloadModel(path, options);
    return { ...(await openEncoderFiles(folder)), label: path, revision };
  }
  if (!existsSync(path)) {
    throw new VillaError(
      "NotFound",
      `There is no encoder at ${path}; name a folder, a file of weights, or hf:ORG/NAME.`,
    );
  }
  if (/\.onnx$/i.test(path)) return onnxAlone(path);
  const isFolder = statSync(path).isDirectory();
  const folder = isFolder ? path : dirname(path);
  const weights = isFolder ? findWeights(folder) : path;
  const find = (name: string) => {
    if (!isFolder) return name === basename(path) ? path : undefined;
    const found = join(folder, name);
    return existsSync(found) ? found : undefined;
  };
  return {
    label: path,
    weights: weights === undefined ? undefined : await openWeights(weights),
    onnx: isFolder ? onnxFiles(folder) : undefined,
    path: find,
    async json(name) {
      const found = find(name);
      return found === undefined ? undefined : readJson(diskFolder(folder), name);
    },
  };
}

/** One of several ONNX models of a folder, say a quantised one, with the folder's other files but no other weights. */
async function onnxAlone(path: string): Promise<EncoderFiles> {
  const parent = dirname(path);
  const folder = basename(parent) === "onnx" ? dirname(parent) : parent;
  const files = await openEncoderFiles(folder);
  const name = parent === folder ? basename(path) : `onnx/${basename(path)}`;
  const base = /^(?:vision_model|text_model|model)/.exec(basename(path))?.[0];
  if (base === undefined) {
    throw new VillaError(
      "Unsupported",
      `${path} must be called vision_model, text_model or model, with or without an ending such as _int8, as transformers.js names them.`,
    );
  }
  const others = files.onnx!.names.filter((other) => !basename(other).startsWith(base));
  return { ...files, weights: undefined, onnx: { ...files.onnx!, names: [name, ...others] } };
}

/** The ONNX models in a folder and its `onnx/`. */
function onnxFiles(folder: string): OnnxFiles {
  const list = (inside: string, prefix: string) =>
    existsSync(inside) ? readdirSync(inside).flatMap((name) => (name.endsWith(".onnx") ? [prefix + name] : [])) : [];
  return {
    names: [...list(join(folder, "onnx"), "onnx/"), ...list(folder, "")],
    open: async (name) => openOnnxFile(join(folder, name)),
  };
}

/**
 * Opens an ONNX file by `onnxruntime-node`, on the provider that the current backend runs whole graphs on; on the CPU, with
 * a warning, where that does not load it.
 *
 * @throws VillaError `Unsupported` where ONNX Runtime is not installed; `InvalidFile`
 */
export async function openOnnxFile(path: string): Promise<OnnxModel> {
  checkArgument("path", path, "text");

  const runtime = await onnxRuntime(path);
  const onCpu = () => openOnnxModel(runtime, path, { label: path });
  const provider = graphCompiler()?.graphProvider ?? "cpu";
  if (provider === "cpu") return onCpu();
  try {
    // That the provider leaves some operators to the CPU is no news to the user: errors alone are printed.
    const options = { label: path, executionProviders: [provider, "cpu"], logSeverityLevel: 3 } as const;
    return await openOnnxModel(runtime, path, options);
  } catch (error) {
    const model = await onCpu(); // a file that no provider loads is the file's fault, and said so
    process.emitWarning(`${path} runs on the CPU, not on ONNX Runtime's provider "${provider}": ${firstLine(error)}`);
    return model;
  }
}

/** @throws VillaError `Unsupported` where it is not installed */
async function onnxRuntime(name: string): Promise<OnnxRuntime> {
  try {
    // A CommonJS module: its exports may come as the default alone.
    const loaded = (await import("onnxruntime-node")) as OnnxRuntime & { readonly default?: OnnxRuntime | undefined };
    return loaded.InferenceSession ? loaded : loaded.default!;
  } catch (cause) {
    throw new VillaError("Unsupported", `${name} needs ONNX Runtime: install onnxruntime-node.`, { cause });
  }
}
