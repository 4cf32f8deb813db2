import { existsSync } from "node:fs";
import { open, stat } from "node:fs/promises";
import { isAbsolute, join, normalize } from "node:path";
import {
  checkArgument,
  firstLine,
  isVillaError,
  otherKind,
  type RgbImage,
  VillaError,
  writeSparseCoo,
} from "@villa/data";
import { atomicWriteFile, readFileBytes } from "@villa/data/node";
import type { Metadata, Sharp } from "sharp";
import type { StoredImage } from "../ingested-row.ts";
import { type DicomPicture, isDicom, readDicom } from "./dicom/read-dicom.ts";

/** How images are stored; see {@link storeImage}. */
export type ImageFormat = "png" | "npz" | "keep";

/** How images are stored. */
export interface ImageOptions {
  readonly format: ImageFormat;
  /** Larger images are scaled down until neither side is longer. */
  readonly maxSide?: number | undefined;
  /** Turn images as their EXIF orientation says; boxes count in the turned image. */
  readonly autoOrient?: boolean | undefined;
  /** Of DICOM's grey levels: centre and width of the values that are told apart, in place of the file's own window. */
  readonly window?: readonly [centre: number, width: number] | undefined;
}

interface Size {
  readonly width: number;
  readonly height: number;
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
 * @param source path or the bytes of a file, in any format that libvips reads: JPEG, PNG, WebP, TIFF, AVIF, GIF; or DICOM,
 *   of which `#3` behind the path, or `frame`, takes frame 3, counted from 0, instead of the middle one
 * @param target the dataset's folder, and the number that the image has there
 * @throws VillaError `InvalidFile` when it is missing or cannot be decoded completely
 */
export async function storeImage(
  source: {
    readonly image: string;
    readonly bytes?: Uint8Array | undefined;
    readonly folder: string;
    readonly frame?: number | undefined;
  },
  target: { readonly dataDir: string; readonly id: number },
  options: ImageOptions,
): Promise<StoredImage> {
  checkArgument("source", source, { image: "text", "bytes?": "bytes", folder: "text", "frame?": "number" });
  checkArgument("target", target, { dataDir: "text", id: "number" });
  checkArgument("options", options, {
    format: "'png' | 'npz' | 'keep'",
    "maxSide?": "number",
    "autoOrient?": "boolean",
    "window?": "numbers",
  });

  const { path: image, frame = source.frame } = framePath(source.image);
  const input = source.bytes ?? pathInside(image, source.folder);
  const dicom = await dicomOf(input, { frame, window: options.window });
  const { format } = options;
  const store: Finish<Pick<StoredImage, "path" | "stored">> = async (decoded, plain) => {
    const kept = format === "keep" ? plain : undefined;
    const path = `images/${target.id}.${kept ?? (format === "npz" ? "npz" : "png")}`;
    const file = join(target.dataDir, path);
    if (!kept && format !== "npz") return { path, stored: await writePng(decoded, file) };
    const { width, height, pixels } = await pixelsOf(decoded); // of a file that is kept, to see that they can be decoded
    const ownBytes = async () => (typeof input === "string" ? await readFileBytes(input) : input);
    const arrays = () => writeSparseCoo({ dtype: "uint8", shape: [3, height, width], data: planes(pixels) });
    await atomicWriteFile(file, kept ? await ownBytes() : arrays());
    return { path, stored: { width, height } };
  };
  const picture = dicom ? await dicomPicture(dicom, options, store) : await decodePicture(input, options, store);
  const { patient, spacing } = dicom ?? {};
  return { source: picture.source, ...picture.finished, patient, spacing };
}

/** A path of Windows as other systems write it. */
export function forwardSlashes(path: string): string {
  return path.replaceAll("\\", "/");
}

/** A table that was made elsewhere must not reach files outside of the folder that its reader gave it. */
export function pathInside(image: string, folder: string): string {
  if (isAbsolute(image)) return image;
  const slashed = forwardSlashes(image);
  if (/^\.\.(?:[\\/]|$)/.test(normalize(slashed))) {
    throw new VillaError(
      "InvalidFile",
      "its file lies outside of --images; give a folder that holds all, or absolute paths",
    );
  }
  // Other systems than Windows allow a backslash in a name.
  const literal = join(folder, image);
  return slashed === image || existsSync(literal) ? literal : join(folder, slashed);
}

/**
 * Reads a picture that is not part of a dataset, in any format that {@link storeImage} takes.
 *
 * @throws VillaError `InvalidFile`
 */
export async function readPicture(path: string): Promise<RgbImage> {
  checkArgument("path", path, "text");

  const named = framePath(path);
  const dicom = await dicomOf(named.path, { frame: named.frame });
  const { finished } = dicom ? await dicomPicture(dicom, {}, pixelsOf) : await decodePicture(path, {}, pixelsOf, path);
  return { width: finished.width, height: finished.height, channels: 3, data: planes(finished.pixels) };
}

/** A frame of a DICOM file; undefined for any other kind of file, and for one that is not there. */
async function dicomOf(
  input: string | Uint8Array,
  options: { readonly frame?: number | undefined; readonly window?: ImageOptions["window"] },
): Promise<DicomPicture | undefined> {
  const start = typeof input === "string" ? await fileStart(input, 132).catch(() => new Uint8Array(0)) : input;
  if (isDicom(start)) return readDicom(typeof input === "string" ? await readFileBytes(input) : input, options);
  if (options.frame === undefined) return undefined;
  throw new VillaError("InvalidFile", "its image names a frame, which only DICOM files have");
}

/** `scan.dcm#3` */
export function framePath(image: string): { path: string; frame?: number | undefined } {
  const match = /^(.+\.(?:dcm|dicom|ima))#(\d{1,6})$/i.exec(image);
  return match ? { path: match[1]!, frame: Number(match[2]) } : { path: image };
}

async function dicomPicture<T>(
  { width, height, channels, pixels }: DicomPicture,
  { maxSide }: Omit<ImageOptions, "format">,
  finish: Finish<T>,
): Promise<FinishedPicture<T>> {
  const { default: sharp } = await import("sharp");
  const picture = sharp(pixels, { raw: { width, height, channels } });
  const scaled = maxSide !== undefined && Math.max(width, height) > maxSide;
  const fitted = scaled ? picture.resize({ width: maxSide, height: maxSide, fit: "inside" }) : picture;
  return { source: { width, height }, finished: await finish(fitted.toColourspace("srgb"), undefined) };
}

/** [3, height, width] bytes as a PNG file. */
export async function pictureToPng(image: RgbImage): Promise<Uint8Array> {
  checkArgument("image", image, { width: "count", height: "count", channels: "count", data: "bytes" });
  const { width, height, data } = image;

  const { default: sharp } = await import("sharp");
  const area = width * height;
  const interleaved = new Uint8Array(3 * area);
  for (let i = 0; i < area; i++) for (let c = 0; c < 3; c++) interleaved[3 * i + c] = data[c * area + i]!;
  return sharp(interleaved, { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 6 })
    .toBuffer();
}

/**
 * What becomes of a picture that is 8-bit RGB when it has been decoded.
 *
 * @param plain the file's extension, when its bytes already hold just these pixels
 */
type Finish<T> = (decoded: Sharp, plain: "png" | "jpg" | undefined) => Promise<T>;

interface FinishedPicture<T> {
  /** What boxes count in: the size before scaling. */
  readonly source: Size;
  readonly finished: T;
}

/** @returns `pixels`: [height, width, 3] */
async function pixelsOf(decoded: Sharp): Promise<Size & { readonly pixels: Uint8Array }> {
  const { data, info } = await decoded.raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, pixels: data };
}

/**
 * Writes a picture as PNG without holding it: libvips encodes some lines while it decodes the next, and the file's bytes do
 * not come to JavaScript, whose collector would leave some 40 MB of them lying about.
 */
async function writePng(decoded: Sharp, path: string): Promise<Size> {
  const png = decoded.png({ compressionLevel: 6 });
  let size: Size | undefined;
  try {
    await atomicWriteFile(path, async (temporary) => {
      size = await png.toFile(temporary);
    });
  } catch (error) {
    if (isVillaError(error)) throw error;
    // libvips does not tell reading from writing; one after the other, each says what is wrong with it.
    const { data, info } = await png.toBuffer({ resolveWithObject: true });
    await atomicWriteFile(path, data);
    size = info;
  }
  return { width: size!.width, height: size!.height };
}

async function decodePicture<T>(
  input: string | Uint8Array,
  { maxSide, autoOrient = false }: Omit<ImageOptions, "format">,
  finish: Finish<T>,
  name = "its image",
): Promise<FinishedPicture<T>> {
  const { default: sharp } = await import("sharp");
  try {
    const picture = sharp(input, { failOn: "error", limitInputPixels: mostPixels, autoOrient });
    const metadata = await picture.metadata();
    const source: Size = autoOrient ? metadata.autoOrient : { width: metadata.width, height: metadata.height };
    const scaled = maxSide !== undefined && Math.max(source.width, source.height) > maxSide;
    const fitted = scaled ? picture.resize({ width: maxSide, height: maxSide, fit: "inside" }) : picture;
    const turned = autoOrient && (metadata.orientation ?? 1) > 1;
    const { format, space, channels, depth } = metadata;
    await checkSamples(sharp(input, { failOn: "error", limitInputPixels: mostPixels }), metadata);
    const isRgb = space === "srgb" && channels === 3 && depth === "uchar" && !metadata.isPalette && !scaled && !turned;
    const plain = isRgb && format === "png" ? "png" : isRgb && format === "jpeg" ? "jpg" : undefined;
    const decoded = fitted.flatten({ background: "#ffffff" }).toColourspace("srgb").removeAlpha();
    return { source, finished: await finish(decoded, plain) };
  } catch (cause) {
    if (isVillaError(cause)) throw cause;
    const why = (await fileProblem(input)) ?? firstLine(cause);
    throw new VillaError("InvalidFile", `${name} cannot be read: ${why}`, { cause });
  }
}

/**
 * Refuses samples that would become wrong without a word: 32-bit and signed ones have no range that tells what white is,
 * and 16-bit ones of a 12-bit camera would be nearly black.
 *
 * @throws VillaError `InvalidFile` saying what the samples are
 */
async function checkSamples(picture: Sharp, { depth, space, channels }: Metadata): Promise<void> {
  if (depth === "uchar" || space === "scrgb") return;
  if (depth !== "ushort") {
    const kind = sampleKinds.get(depth) ?? depth;
    throw new VillaError(
      "InvalidFile",
      `its samples are ${kind}; scale them to 8 or 16 bits, so that 0 is black and the most is white`,
    );
  }
  const { channels: stats } = await picture.stats();
  const most = Math.max(...stats.slice(0, channels >= 3 ? 3 : 1).map(({ max }) => max));
  if (most === 0 || most > darkest) return;
  throw new VillaError(
    "InvalidFile",
    `its 16-bit samples reach only to ${most} of 65535, so that it would be nearly black; scale them to the whole range`,
  );
}

/** The most that 12 bits hold. */
const darkest = 4095;
const sampleKinds: ReadonlyMap<string, string> = new Map([
  ["char", "signed 8-bit integers"],
  ["short", "signed 16-bit integers"],
  ["uint", "32-bit integers"],
  ["int", "signed 32-bit integers"],
  ["float", "32-bit floating-point numbers"],
  ["double", "64-bit floating-point numbers"],
]);

/** libvips now and then reports a missing file as an unknown format. */
async function fileProblem(input: string | Uint8Array): Promise<string | undefined> {
  try {
    if (typeof input !== "string") return otherKindOfImage(input);
    const entry = await stat(input);
    if (!entry.isFile()) return "it is not a file";
    return otherKindOfImage(await fileStart(input, 64));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === "ENOENT" ? "there is no such file" : message;
  }
}

export async function fileStart(path: string, length: number): Promise<Uint8Array> {
  const file = await open(path);
  try {
    const start = new Uint8Array(length);
    const { bytesRead } = await file.read(start, 0, length, 0);
    return start.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function otherKindOfImage(start: Uint8Array): string | undefined {
  const other = otherKind(start);
  return other === "" || other.includes(" image") ? undefined : `it is not an image${other}`;
}

/** [height, width, 3] → [3, height, width] */
function planes(interleaved: Uint8Array): Uint8Array {
  const area = interleaved.length / 3;
  const result = new Uint8Array(interleaved.length);
  for (let i = 0; i < area; i++) for (let c = 0; c < 3; c++) result[c * area + i] = interleaved[3 * i + c]!;
  return result;
}
