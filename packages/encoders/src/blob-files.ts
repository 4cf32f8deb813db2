import { checkArgument, type RangeSource, VillaError } from "@villa/data";
import type { EncoderFiles } from "./files.ts";
import { type OnnxFiles, type OnnxRuntime, openOnnxModel } from "./onnx/runtime.ts";
import { type FileFolder, readJson, weightFiles, weightsIn } from "./weight-folder.ts";

/**
 * An encoder's files in memory, or on a visitor's disk, as a page gets them from a drop: a model's folder as Hugging Face or
 * OpenCLIP lays it out, or a single file of weights. Tensors are read when they are needed.
 *
 * @param blobs by their paths; folders above the model's own do not count
 * @param options `onnx`: what runs ONNX models, such as onnxruntime-web, or what loads it when the first is opened; without
 *   it they are not looked for
 * @example
 * const files = await blobFiles(new Map([["RN50.pt", file]]));
 * const image = await loadImageEncoder({ files });
 * @throws VillaError `NotFound` without weights or naming a missing shard, `InvalidFile` naming a damaged or cut file
 */
export async function blobFiles(
  blobs: ReadonlyMap<string, Blob>,
  options: { readonly onnx?: OnnxRuntime | (() => Promise<OnnxRuntime>) | undefined } = {},
): Promise<EncoderFiles> {
  checkArgument("blobs", blobs, "Map");
  checkArgument("options?", options, { "onnx?": "object | function" });

  const { name: folderName, files: inFolder } = modelFolder(blobs);
  const [first] = inFolder.keys();
  if (first === undefined) throw new VillaError("NotFound", "There are no files to take an encoder from.");
  const folder: FileFolder = {
    label: (name) => name,
    has: (name) => inFolder.has(name),
    open: async (name) => blobSource(inFolder.get(name)!),
  };
  const onnx = options.onnx && onnxFiles(inFolder, options.onnx);
  const known = weightFiles.find((name) => folder.has(name));
  const weights = known ?? (inFolder.size === 1 && !/\.onnx$/i.test(first) ? first : undefined);
  if (weights === undefined && !onnx?.names.length) {
    throw new VillaError("NotFound", `No weights are among the files; one of them should be ${weightFiles[0]}.`);
  }
  return {
    label: weights ?? (folderName || (onnx?.names[0] ?? first)),
    weights: weights === undefined ? undefined : await weightsIn(folder, weights),
    onnx,
    path: () => undefined,
    json: async (name) => (folder.has(name) ? readJson(folder, name) : undefined),
  };
}

/** The folder that holds the weights, and its files by their names in it. */
function modelFolder(blobs: ReadonlyMap<string, Blob>): { name: string; files: Map<string, Blob> } {
  const paths = [...blobs.keys()];
  const depth = (path: string) => path.split("/").length;
  const isWeights = (path: string) => weightFiles.includes(path.split("/").at(-1)!);
  const isOnnx = (path: string) => /(?:^|\/)(?:vision_model|text_model|model)\w*\.onnx$/.test(path);
  const [found] = paths.filter((path) => isWeights(path) || isOnnx(path)).sort((a, b) => depth(a) - depth(b));
  const at = found ?? paths[0] ?? "";
  const own = at.slice(0, at.lastIndexOf("/") + 1);
  const folder = isOnnx(at) && own.endsWith("onnx/") ? own.slice(0, -"onnx/".length) : own;
  const files = [...blobs].flatMap(([path, blob]) =>
    path.startsWith(folder) ? [[path.slice(folder.length), blob] as const] : [],
  );
  return { name: folder.split("/").at(-2) ?? "", files: new Map(files) };
}

function onnxFiles(
  blobs: ReadonlyMap<string, Blob>,
  runtime: OnnxRuntime | (() => Promise<OnnxRuntime>),
): OnnxFiles | undefined {
  const names = [...blobs.keys()].filter((name) => /^(?:onnx\/)?[^/]+\.onnx$/.test(name));
  if (names.length === 0) return undefined;
  return {
    names,
    async open(name) {
      const data = `${name}_data`;
      const externalData = blobs.has(data)
        ? [{ path: data.slice(data.lastIndexOf("/") + 1), data: await bytesOf(blobs.get(data)!) }]
        : [];
      const loaded = typeof runtime === "function" ? await runtime() : runtime;
      return openOnnxModel(loaded, await bytesOf(blobs.get(name)!), { label: name, externalData });
    },
  };
}

const bytesOf = async (blob: Blob): Promise<Uint8Array> => new Uint8Array(await blob.arrayBuffer());

function blobSource(blob: Blob): RangeSource {
  return {
    size: blob.size,
    read: async (start, end) => new Uint8Array(await blob.slice(start, end).arrayBuffer()),
  };
}
