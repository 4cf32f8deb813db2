import { requireHalves } from "@villa/core";
import { type ArgumentRule, checkArgument, VillaError } from "@villa/data";
import { type EncoderFiles, encoderFilesRule } from "./files.ts";
import type {
  EncoderFamily,
  ImageEncoder,
  ImageFamily,
  LoadRequest,
  TextFamily,
  TextTower,
  TowerConfig,
} from "./tower.ts";

/** A map of families, each loaded when it is asked for. */
export type Registry<Family> = Readonly<Record<string, () => Promise<Family>>>;

/** Image encoders by family. A new one is its folder and a line here; the first that recognises files loads them. */
export const imageTowers: Registry<ImageFamily> = {
  "clip-resnet": async () => (await import("./clip/clip-family.ts")).clipResNetFamily,
  vit: async () => (await import("./vit/vit-family.ts")).vitFamily,
  onnx: async () => (await import("./onnx/image-family.ts")).onnxImageFamily,
  pixels: async () => (await import("./pixels-encoder.ts")).pixelsFamily,
};

/** Text encoders by family. */
export const textTowers: Registry<TextFamily> = {
  clip: async () => (await import("./clip/clip-family.ts")).clipTextFamily,
  "open-clip-text": async () => (await import("./text/families.ts")).openClipTextFamily,
  "clip-text": async () => (await import("./text/families.ts")).clipTextFamily,
  "siglip-text": async () => (await import("./text/families.ts")).siglipTextFamily,
  bert: async () => (await import("./text/families.ts")).bertFamily,
  "onnx-text": async () => (await import("./onnx/text-family.ts")).onnxTextFamily,
  hashed: async () => (await import("./word-hash.ts")).hashedTextFamily,
};

const requestRule: ArgumentRule = {
  "files?": encoderFilesRule,
  "config?": "object",
  "trainable?": "boolean",
  "storage?": "'float32' | 'float16'",
  "dimension?": "count",
  "seed?": "number",
  "regions?": "'roi-align' | 'crop' | 'mask'",
  "context?": "number",
  "dense?": "'value' | 'last-hidden'",
  "imageSize?": "count",
  "family?": "text",
};

/** Makes the image encoder of a family: by its name, or by what its files show. */
export function loadImageEncoder(request: LoadRequest & { family?: string | undefined }): Promise<ImageEncoder> {
  checkArgument("request", request, requestRule);

  return load(imageTowers, "image", request);
}

/** Makes the text encoder of a family: by its name, or by what its files show. */
export function loadTextTower(request: LoadRequest & { family?: string | undefined }): Promise<TextTower> {
  checkArgument("request", request, requestRule);

  return load(textTowers, "text", request);
}

/** The family whose files these are, with the sizes they show; undefined when no family knows them. */
export async function recogniseFamily<Encoder>(
  registry: Registry<EncoderFamily<Encoder>>,
  files: EncoderFiles,
): Promise<{ readonly family: string; readonly config: TowerConfig } | undefined> {
  checkArgument("registry", registry, "object");
  checkArgument("files", files, {
    label: "text",
    "weights?": { tensors: "Map", read: "function", all: "function" },
    "onnx?": { names: ["text"], open: "function" },
    json: "function",
    path: "function",
    "revision?": "text",
  });

  for (const [family, open] of Object.entries(registry)) {
    const config = await (await open()).recognise(files);
    if (config) return { family, config };
  }
  return undefined;
}

async function load<Encoder>(
  registry: Registry<EncoderFamily<Encoder>>,
  side: string,
  request: LoadRequest & { family?: string | undefined },
): Promise<Encoder> {
  const { files } = request;
  const found = request.family === undefined && files ? await recogniseFamily(registry, files) : undefined;
  const family = request.family ?? found?.family;
  const open = family === undefined ? undefined : registry[family];
  if (!open) throw await unknown(family, side, Object.keys(registry), files);
  const entry = await open();
  if (request.storage === "float16") checkHalves(entry, `${side} encoder "${family}"`, request);
  return entry.load({ ...request, config: request.config ?? found?.config });
}

/** Before anything is read, since it takes seconds to find out otherwise. */
function checkHalves(family: EncoderFamily<unknown>, what: string, { trainable, files }: LoadRequest): void {
  if (trainable) {
    throw new VillaError("InvalidArgument", "Weights that are trained stay float32; leave storage out, or trainable.");
  }
  if (!family.storesHalves || !files) {
    throw new VillaError(
      "Unsupported",
      `The ${what} has no frozen weights of its own that could be stored as float16${files ? "" : " without files"}; leave storage out.`,
    );
  }
  requireHalves();
}

async function unknown(
  family: string | undefined,
  side: string,
  known: readonly string[],
  files: EncoderFiles | undefined,
): Promise<VillaError> {
  const supported = `Supported are ${known.join(", ")}`;
  if (family !== undefined || !files) {
    return new VillaError("InvalidArgument", `There is no ${side} encoder "${family}". ${supported}.`);
  }
  const config = (await files.json("config.json")) ?? (await files.json("open_clip_config.json"));
  const { architectures, model_type: type } = (config ?? {}) as { architectures?: unknown; model_type?: unknown };
  const names = [...(files.weights?.tensors.keys() ?? [])].slice(0, 4);
  const found = [
    ...(architectures ? [`architecture ${[architectures].flat().join(", ")}`] : type ? [`model type ${type}`] : []),
    ...(names.length > 0 ? [`tensors ${names.join(", ")}, …`] : []),
    ...(files.onnx?.names.length ? [`ONNX models ${files.onnx.names.slice(0, 4).join(", ")}`] : []),
  ];
  const naming = ` An ONNX model of ${side === "image" ? "images is called vision_model" : "texts is called text_model"}, or model where it is the only one.`;
  return new VillaError(
    "Unsupported",
    `${files.label} holds no ${side} encoder that is known here (found ${found.join("; ") || "no weights"}). ${supported}.${files.onnx?.names.length ? naming : ""}`,
  );
}
