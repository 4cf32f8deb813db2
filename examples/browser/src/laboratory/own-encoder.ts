// An encoder that the visitor brings: weights from files, on the backend of the moment.
import { VillaError } from "@villa/data";
import {
  blobFiles,
  type Encoder,
  type EncoderFiles,
  imageTowers,
  joinEncoders,
  loadImageEncoder,
  loadTextTower,
  recogniseFamily,
  textTowers,
} from "@villa/encoders";
import { digestOf } from "./digest.ts";
import type { EncoderSummary, InputFile } from "./protocol.ts";

export interface OwnEncoder {
  readonly summary: EncoderSummary;
  /** Tells its embeddings from those of others. */
  readonly key: string;
  /** Loads the weights onto the current backend. The caller disposes. */
  open(): Promise<Encoder>;
}

/** Families of image towers in the words of their papers; others go by their name. */
const families: Readonly<Record<string, string>> = { "clip-resnet": "CLIP ResNet", vit: "Vision transformer" };

/**
 * Recognises weights by what is in them; nothing is loaded yet but the headers of the files.
 *
 * @throws VillaError `NotFound`, `Unsupported` saying what was found, `InvalidFile` naming a damaged file
 */
export async function recogniseEncoder(input: readonly InputFile[]): Promise<OwnEncoder> {
  const files = await blobFiles(new Map(input.map(({ path, contents }) => [path, contents])));
  const image = await recogniseFamily(imageTowers, files);
  if (!image) throw await unknownEncoder(files);
  const text = await recogniseFamily(textTowers, files);
  const bytes = input.reduce((sum, { contents }) => sum + contents.size, 0);
  const { naming } = image.config as { naming?: string | undefined };
  const family = families[image.family] ?? image.family;
  return {
    summary: {
      file: files.label,
      family: naming ? `${family} (${naming})` : family,
      megabytes: bytes / 1e6,
      hasText: text !== undefined,
    },
    key: await digestOf(input.map(({ contents }) => contents)),
    async open() {
      const tower = await loadImageEncoder({ ...image, files });
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

/** The registry's own sentence says what was found and what is known. */
async function unknownEncoder(files: EncoderFiles): Promise<Error> {
  try {
    (await loadImageEncoder({ files })).dispose();
  } catch (error) {
    return error as Error;
  }
  return new VillaError("Unsupported", `${files.label} holds no encoder that is known here.`);
}
