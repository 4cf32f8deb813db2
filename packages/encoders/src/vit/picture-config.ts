import { VillaError } from "@villa/data";
import { clipPixels } from "../clip/modified-resnet.ts";
import type { EncoderFiles } from "../files.ts";
import { type PictureInput, type PixelStatistics, plainPixels } from "../regions/picture-input.ts";
import type { VitConfig } from "./config.ts";

type Json = Readonly<Record<string, unknown>>;

const halves: PixelStatistics = { mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5] };

/** Whose pixels: what holds where the files say nothing. */
export type PictureFamily = VitConfig["naming"];

const families: Readonly<Record<PictureFamily, PixelStatistics>> = {
  clip: clipPixels,
  "open-clip": clipPixels,
  "open-clip-timm": clipPixels,
  siglip: halves,
  "siglip-vision": halves,
  dinov2: { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] },
};

/** Settings of the image processor; recent versions of transformers keep them inside of `processor_config.json`. */
export async function readPictureConfig(files: EncoderFiles): Promise<Json | undefined> {
  const own = await files.json("preprocessor_config.json");
  return own ?? ((await files.json("processor_config.json"))?.image_processor as Json | undefined);
}

/**
 * How pictures become images: as `preprocessor_config.json` or OpenCLIP's `preprocess_cfg` say, otherwise as the family
 * does. Regions need the whole picture, so for them it is squeezed into the tower's square and nothing is cut away.
 */
export async function readPictureInput(
  files: EncoderFiles,
  { naming, imageSize, patchSize }: Pick<VitConfig, "imageSize" | "patchSize"> & { readonly naming: PictureFamily },
): Promise<PictureInput> {
  const own = await readPictureConfig(files);
  const config = own ?? {};
  const openClip = ((await files.json("open_clip_config.json"))?.preprocess_cfg ?? {}) as Json;
  const family = families[naming];
  const statistics: PixelStatistics =
    config.do_normalize === false
      ? plainPixels
      : {
          mean: triple(config.image_mean ?? openClip.mean, family.mean, files.label),
          deviation: triple(config.image_std ?? openClip.std, family.deviation, files.label),
        };
  const square = [imageSize, imageSize] as const;
  const squash = naming.startsWith("siglip") || openClip.resize_mode === "squash";
  const crops = config.do_center_crop ?? !squash;
  return {
    regions: { ...statistics, size: imageSize },
    whole: {
      ...statistics,
      resize: resizeOf(config.size) ?? (squash ? square : imageSize),
      crop: crops ? (pairOf(config.crop_size) ?? square) : undefined,
      // OpenAI's and OpenCLIP's own preprocessing is torchvision's.
      cropRounds: own === undefined && naming.startsWith("open-clip") ? "even" : "down",
    },
    resample: resampleOf(config.resample ?? openClip.interpolation ?? "bicubic", files.label),
    smallest: patchSize,
  };
}

/** Pillow's number of a filter, or OpenCLIP's name; OpenCLIP's "random" is for training and bicubic otherwise. */
function resampleOf(value: unknown, label: string): PictureInput["resample"] {
  if (value === 2 || value === "bilinear") return "bilinear";
  if (value === 3 || value === "bicubic" || value === "random") return "bicubic";
  throw new VillaError(
    "Unsupported",
    `${label} scales pictures by Pillow's filter ${String(value)}; known are bilinear (2) and bicubic (3).`,
  );
}

/** A number is the shorter side; height and width are both. */
function resizeOf(size: unknown): PictureInput["whole"]["resize"] | undefined {
  if (typeof size === "number") return size;
  const shortest = (size as Json | undefined)?.shortest_edge;
  return typeof shortest === "number" ? shortest : pairOf(size);
}

function pairOf(size: unknown): readonly [number, number] | undefined {
  if (typeof size === "number") return [size, size];
  const { width, height } = (size ?? {}) as Json;
  return typeof width === "number" && typeof height === "number" ? [width, height] : undefined;
}

function triple(value: unknown, fallback: PixelStatistics["mean"], label: string): PixelStatistics["mean"] {
  if (value === undefined) return fallback;
  if (Array.isArray(value) && value.length === 3 && value.every((item) => Number.isFinite(item))) {
    return value as unknown as PixelStatistics["mean"];
  }
  throw new VillaError("InvalidFile", `${label}: the pixels' mean and deviation must be three numbers each.`);
}
