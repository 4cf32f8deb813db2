import { isAbsolute, join } from "node:path";
import { VillaError, writeSparseCoo } from "@villa/data";
import { atomicWriteFile } from "@villa/data/node";

/** How images are stored; see {@link storeImage}. */
export type ImageFormat = "png" | "npz" | "keep";

export interface ImageOptions {
  readonly format: ImageFormat;
  /** Larger images are scaled down until neither side is longer. */
  readonly maxSide?: number | undefined;
  /** Turn images as their EXIF orientation says; boxes count in the turned image. */
  readonly autoOrient?: boolean | undefined;
}

interface Size {
  readonly width: number;
  readonly height: number;
}

export interface StoredImage {
  /** What boxes count in. */
  readonly source: Size;
  readonly stored: Size;
  /** Relative to the dataset. */
  readonly path: string;
}

/** Larger images are refused, as they are when a dataset is read. */
const mostPixels = 100_000_000;

/**
 * Stores an image in a dataset's folder as 8-bit RGB. Grey becomes RGB, 16 bits become 8 (the upper byte), transparent
 * parts white, CMYK and other spaces sRGB.
 *
 * `png`: lossless, read by everything. `npz`: the original's sparse arrays, for its Python code; 5 to 20 times larger than
 * PNG for photographs. `keep`: the bytes of the file as they are, where it is an 8-bit RGB PNG or JPEG that needs no
 * change; PNG else.
 *
 * @param source path or the bytes of a file, in any format that libvips reads: JPEG, PNG, WebP, TIFF, AVIF, GIF
 * @throws VillaError `InvalidFile` when it is missing or cannot be decoded completely
 */
export async function storeImage(
  source: { readonly image: string; readonly bytes?: Uint8Array | undefined; readonly folder: string },
  dataset: string,
  id: number,
  options: ImageOptions,
): Promise<StoredImage> {
  const { default: sharp } = await import("sharp");
  const input = source.bytes ?? (isAbsolute(source.image) ? source.image : join(source.folder, source.image));
  try {
    const picture = sharp(input, {
      failOn: "warning",
      limitInputPixels: mostPixels,
      autoOrient: options.autoOrient === true,
    });
    const metadata = await picture.metadata();
    const size: Size = options.autoOrient ? metadata.autoOrient : { width: metadata.width, height: metadata.height };
    const scaled = options.maxSide !== undefined && Math.max(size.width, size.height) > options.maxSide;
    const fitted = scaled
      ? picture.resize({ width: options.maxSide!, height: options.maxSide!, fit: "inside" })
      : picture;
    const turned = options.autoOrient === true && (metadata.orientation ?? 1) > 1;
    const isPlain =
      (metadata.format === "jpeg" || metadata.format === "png") &&
      metadata.space === "srgb" &&
      metadata.channels === 3 &&
      metadata.depth === "uchar";
    const { data, info } = await fitted
      .flatten({ background: "#ffffff" })
      .toColourspace("srgb")
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const stored: Size = { width: info.width, height: info.height };
    const write = async (extension: string, contents: Uint8Array): Promise<StoredImage> => {
      const path = `images/${id}.${extension}`;
      await atomicWriteFile(join(dataset, path), contents);
      return { source: size, stored, path };
    };
    if (options.format === "npz") {
      return await write(
        "npz",
        writeSparseCoo({ dtype: "uint8", shape: [3, info.height, info.width], data: planes(data) }),
      );
    }
    if (options.format === "keep" && isPlain && !scaled && !turned) {
      const { readFile } = await import("node:fs/promises");
      const bytes = typeof input === "string" ? await readFile(input) : input;
      return await write(metadata.format === "jpeg" ? "jpg" : "png", bytes);
    }
    const raw = { width: info.width, height: info.height, channels: 3 as const };
    return await write("png", await sharp(data, { raw }).png({ compressionLevel: 6 }).toBuffer());
  } catch (cause) {
    if (cause instanceof VillaError) throw cause;
    const message = (cause as Error).message
      .split("\n")[0]!
      .replace(/^Input file is missing.*/, "there is no such file");
    throw new VillaError("InvalidFile", `its image cannot be read: ${message}`, { cause });
  }
}

/** [height, width, 3] → [3, height, width] */
function planes(interleaved: Uint8Array): Uint8Array {
  const area = interleaved.length / 3;
  const result = new Uint8Array(interleaved.length);
  for (let i = 0; i < area; i++) for (let c = 0; c < 3; c++) result[c * area + i] = interleaved[3 * i + c]!;
  return result;
}
