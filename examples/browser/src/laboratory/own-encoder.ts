// An encoder that the visitor brings: weights from files, on the backend of the moment.
import { isVillaError, VillaError } from "@villa/data";
import {
  blobFiles,
  type Encoder,
  type EncoderFiles,
  type ImageEncoder,
  imageTowers,
  joinEncoders,
  loadImageEncoder,
  loadTextTower,
  recogniseFamily,
  textTowers,
} from "@villa/encoders";
import { digestOf } from "./digest.ts";
import { onnxRuntime } from "./onnx-runtime.ts";
import type { EncoderSummary, InputFile } from "./protocol.ts";

export interface OwnEncoder {
  readonly summary: EncoderSummary;
  /** Tells its embeddings from those of others. */
  readonly key: string;
  /** Loads the weights onto the current backend. The caller disposes. */
  open(): Promise<Encoder>;
}

/** Families of image towers in the words of their papers; others go by their name. */
const families: Readonly<Record<string, string>> = {
  "clip-resnet": "CLIP ResNet",
  vit: "Vision transformer",
  onnx: "ONNX model",
};

/**
 * Recognises weights by what is in them; nothing is loaded yet but the headers of the files.
 *
 * @throws VillaError `NotFound`, `Unsupported` saying what was found, `InvalidFile` naming a damaged file
 */
export async function recogniseEncoder(input: readonly InputFile[]): Promise<OwnEncoder> {
  const files = await blobFiles(new Map(input.map(({ path, contents }) => [path, contents])), { onnx: onnxRuntime });
  const image = await recogniseFamily(imageTowers, files);
  if (!image) throw await unknownEncoder(files);
  const text = await recogniseFamily(textTowers, files);
  const used = usedFiles(input, files, [image, ...(text ? [text] : [])]);
  const bytes = used.reduce((sum, { contents }) => sum + contents.size, 0);
  const { naming, type } = image.config as { naming?: string | undefined; type?: string | undefined };
  const kind = naming ?? (type === "model" ? undefined : type);
  const family = families[image.family] ?? image.family;
  return {
    summary: {
      file: files.label,
      family: kind ? `${family} (${kind})` : family,
      megabytes: bytes / 1e6,
      hasText: text !== undefined,
    },
    key: await digestOf(used.map(({ contents }) => contents)),
    async open() {
      const tower =
        image.family === "onnx" ? await openOnnx({ ...image, files }) : await loadImageEncoder({ ...image, files });
      try {
        const { dimension } = tower;
        return joinEncoders(
          tower,
          text
            ? await loadTextTower({ ...text, files })
            : await loadTextTower({ family: "hashed", dimension, seed: 23 }),
        );
      } catch (error) {
        tower.dispose();
        throw error;
      }
    },
  };
}

type Found = { readonly family: string; readonly config: Readonly<Record<string, unknown>> };

/**
 * The files that are read: folders of models often hold the same weights in several formats and precisions, of which one
 * is taken.
 */
function usedFiles(input: readonly InputFile[], files: EncoderFiles, towers: readonly Found[]): InputFile[] {
  const own = towers.map(({ family, config }) => (/^onnx/.test(family) ? String(config.file) : files.label));
  // An index names its parts, which have the same ending.
  const shards = /\.\w+(?=\.index\.json$)/.exec(files.label)?.[0];
  return input.filter(({ path }) => {
    const name = path.replace(/\.onnx_data$/i, ".onnx");
    if (!/\.(onnx|safetensors|bin|pt|pth|h5|msgpack|ot)$/i.test(name)) return true;
    return (
      own.some((each) => name === each || name.endsWith(`/${each}`)) || (shards !== undefined && path.endsWith(shards))
    );
  });
}

/**
 * An ONNX model: regions are cut from its patch tokens, or from the picture where those are not vectors of the space that
 * sentences are in.
 */
async function openOnnx(request: Found & { readonly files: EncoderFiles }): Promise<ImageEncoder> {
  const tower = await loadImageEncoder(request);
  const side = 32;
  const black = { width: side, height: side, channels: 3 as const, data: new Uint8Array(3 * side * side) };
  try {
    await tower.encodeRegions([black], [[[0, 0, side, side]]]);
    return tower;
  } catch (error) {
    tower.dispose();
    if (!isVillaError(error, "Unsupported")) throw error;
    return loadImageEncoder({ ...request, regions: "crop" });
  }
}

/** The registry's own sentence says what was found and what is known. */
async function unknownEncoder(files: EncoderFiles): Promise<Error> {
  try {
    (await loadImageEncoder({ files })).dispose();
  } catch (error) {
    return error as Error;
  }
  return new VillaError("Unsupported", `${files.label} holds no encoder that is known here.`);
}
