import { createHash } from "node:crypto";
import { inflateRawSync } from "node:zlib";
import { firstLine, isVillaError, VillaError } from "@villa/data";
import type { DataSet, Element } from "dicom-parser";
import { decompress, type FrameShape, nativeSyntaxes } from "./decompress.ts";
import { greyLevels, type Window } from "./grey-levels.ts";

/** A frame of a DICOM file as a picture, and what is kept of its header: nothing that names a person or a day. */
export interface DicomPicture {
  readonly width: number;
  readonly height: number;
  /** [height, width, channels] */
  readonly pixels: Uint8Array;
  readonly channels: 1 | 3;
  /** Of the patient id: tells patients apart without naming them. */
  readonly patient?: string | undefined;
  /** Millimetres between rows and between columns. */
  readonly spacing?: readonly [row: number, column: number] | undefined;
}

/** Whether bytes begin as a DICOM file does. */
export function isDicom(bytes: Uint8Array): boolean {
  return bytes.length >= 132 && String.fromCharCode(...bytes.subarray(128, 132)) === "DICM";
}

const mostPixels = 100_000_000;
const mostFrames = 100_000;
const mostInflated = 2 ** 30;

/**
 * Reads one frame of a DICOM file as it is to be shown: rescaled, windowed, MONOCHROME1 inverted.
 *
 * @param options `frame`: counted from 0, default the middle one; `window`: of grey levels, in place of the file's own
 * @throws VillaError `InvalidFile` with a clause that says what is wrong
 */
export async function readDicom(
  bytes: Uint8Array,
  { frame, window }: { readonly frame?: number | undefined; readonly window?: Window | undefined } = {},
): Promise<DicomPicture> {
  const { default: parser } = await import("dicom-parser");
  try {
    return await readFrame(parser, parser.parseDicom(bytes, { inflater }), { wanted: frame, window });
  } catch (cause) {
    if (isVillaError(cause)) throw cause;
    // The parser throws texts too.
    const why =
      typeof cause === "string" ? cause : ((cause as { exception?: string }).exception ?? (cause as Error).message);
    const clause = firstLine(why)
      .replace(/^dicomParser\.\w+: /, "")
      .replace(/\.$/, "");
    throw new VillaError("InvalidFile", `its DICOM file is damaged: ${clause}`, { cause });
  }
}

/** Frames of a DICOM file, by its header. @throws whatever the parser does for a damaged file */
export async function countFrames(bytes: Uint8Array): Promise<number> {
  const { default: parser } = await import("dicom-parser");
  const frames = Number(parser.parseDicom(bytes, { inflater, untilTag: "x7fe00010" }).intString("x00280008") ?? 1);
  return frames >= 1 && frames <= mostFrames ? frames : 1;
}

/** Inflates what follows the file's header. */
function inflater(bytes: Uint8Array, position: number): Uint8Array {
  const rest = inflateRawSync(bytes.subarray(position), { maxOutputLength: mostInflated });
  return Buffer.concat([bytes.subarray(0, position), rest]);
}

async function readFrame(
  parser: typeof import("dicom-parser"),
  dataSet: DataSet,
  { wanted, window }: { readonly wanted: number | undefined; readonly window: Window | undefined },
): Promise<DicomPicture> {
  const data = dataSet.elements.x7fe00010;
  const [height, width] = [dataSet.uint16("x00280010"), dataSet.uint16("x00280011")];
  if (!data || !height || !width) fail("its DICOM file holds no picture");
  const samples = dataSet.uint16("x00280002") ?? 1;
  const allocated = dataSet.uint16("x00280100") ?? 0;
  if (allocated !== 8 && allocated !== 16) fail(`its samples have ${allocated} bits; 8 and 16 are read`);
  if (samples !== 1 && samples !== 3) fail(`its pixels have ${samples} samples; 1 and 3 are read`);
  if (width * height > mostPixels) fail(`its ${width} × ${height} pixels are more than the limit of ${mostPixels}`);
  const frames = Number(dataSet.intString("x00280008") ?? 1);
  if (!(frames >= 1 && frames <= mostFrames)) fail(`it says that it has ${frames} frames`);
  const at = wanted ?? Math.floor((frames - 1) / 2);
  if (at >= frames) fail(`it has no frame ${at}; its ${frames} are counted from 0`);
  const shape = { width, height, samples, bytes: allocated / 8 };
  const stored = await frameBytes(parser, dataSet, { data, at, frames, shape });
  const photometric = dataSet.string("x00280004")?.trim() ?? "MONOCHROME2";
  const pixels =
    samples === 3
      ? colours(dataSet, stored, { photometric, shape })
      : photometric === "PALETTE COLOR"
        ? paletteColours(dataSet, storedValues(dataSet, stored, shape))
        : greyLevels(dataSet, storedValues(dataSet, stored, shape), { window });
  const channels = pixels.length === width * height ? 1 : 3;
  return { width, height, pixels, channels, patient: patientOf(dataSet), spacing: spacingOf(dataSet) };
}

async function frameBytes(
  parser: typeof import("dicom-parser"),
  dataSet: DataSet,
  { data, at, frames, shape }: { data: Element; at: number; frames: number; shape: FrameShape },
): Promise<Uint8Array> {
  const syntax = dataSet.string("x00020010")?.trim() ?? "1.2.840.10008.1.2";
  const size = shape.width * shape.height * shape.samples * shape.bytes;
  if (data.fragments === undefined) {
    if (!nativeSyntaxes.has(syntax)) fail(`its transfer syntax is ${syntax}, but its pixels are not compressed`);
    const start = data.dataOffset + at * size;
    const end = Math.min(data.dataOffset + data.length, dataSet.byteArray.length);
    if (start + size > end)
      fail(`its pixels end too early: frame ${at} needs ${size} bytes, and ${Math.max(0, end - start)} are left`);
    const bytes = dataSet.byteArray.slice(start, start + size);
    if (syntax === "1.2.840.10008.1.2.2" && shape.bytes === 2) Buffer.from(bytes.buffer, 0, size).swap16();
    return bytes;
  }
  const { fragments, basicOffsetTable = [] } = data;
  if (fragments.length === 0) fail("it holds no pixels");
  const all = new Uint8Array(
    frames === 1
      ? parser.readEncapsulatedPixelDataFromFragments(dataSet, data, 0, fragments.length)
      : basicOffsetTable.length > 0
        ? parser.readEncapsulatedImageFrame(dataSet, data, at)
        : fragments.length === frames
          ? parser.readEncapsulatedPixelDataFromFragments(dataSet, data, at)
          : parser.readEncapsulatedImageFrame(dataSet, data, at, parser.createJPEGBasicOffsetTable(dataSet, data)),
  );
  return decompress(all, { syntax, shape });
}

/** Samples as whole numbers: the stored bits alone, with their sign. */
function storedValues(dataSet: DataSet, bytes: Uint8Array, shape: FrameShape): Int32Array {
  const count = shape.width * shape.height;
  const bits = dataSet.uint16("x00280101") ?? shape.bytes * 8;
  const high = dataSet.uint16("x00280102") ?? bits - 1;
  if (!(bits >= 1 && bits <= high + 1 && high < shape.bytes * 8))
    fail(`its header says that ${bits} bits end at bit ${high}`);
  const isSigned = dataSet.uint16("x00280103") === 1;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [drop, unused] = [high + 1 - bits, 32 - bits];
  return Int32Array.from({ length: count }, (_, i) => {
    const raw = (shape.bytes === 1 ? bytes[i]! : view.getUint16(2 * i, true)) >> drop;
    return isSigned ? (raw << unused) >> unused : (raw << unused) >>> unused;
  });
}

/** [height, width, 3] of pixels in red, green and blue, or in luminance and chrominance. */
function colours(
  dataSet: DataSet,
  bytes: Uint8Array,
  { photometric, shape }: { photometric: string; shape: FrameShape },
): Uint8Array {
  if (shape.bytes !== 1) fail("its colours have 16 bits a sample; 8 are read");
  const area = shape.width * shape.height;
  const isNative = nativeSyntaxes.has(dataSet.string("x00020010")?.trim() ?? "1.2.840.10008.1.2");
  const planar = isNative && dataSet.uint16("x00280006") === 1;
  const rgb = planar
    ? Uint8Array.from({ length: 3 * area }, (_, i) => bytes[(i % 3) * area + Math.floor(i / 3)]!)
    : bytes.slice(0, 3 * area);
  // Codecs of JPEG and JPEG 2000 give red, green and blue already.
  const isRunLengths = dataSet.string("x00020010")?.trim() === "1.2.840.10008.1.2.5";
  if (photometric === "RGB" || (!isNative && !isRunLengths)) return rgb;
  if (photometric !== "YBR_FULL") fail(`its colours are ${photometric}; RGB, YBR_FULL and PALETTE COLOR are read`);
  for (let i = 0; i < rgb.length; i += 3) {
    const [y, b, r] = [rgb[i]!, rgb[i + 1]! - 128, rgb[i + 2]! - 128];
    const levels = [y + 1.402 * r, y - 0.344136 * b - 0.714136 * r, y + 1.772 * b];
    for (const [c, level] of levels.entries()) rgb[i + c] = Math.min(255, Math.max(0, Math.round(level)));
  }
  return rgb;
}

/** [height, width, 3] of places in a palette. @see PS3.3, C.7.6.3.1.5 */
function paletteColours(dataSet: DataSet, values: Int32Array): Uint8Array {
  const rgb = new Uint8Array(3 * values.length);
  for (const [c, [descriptor, table]] of [
    ["x00281101", "x00281201"],
    ["x00281102", "x00281202"],
    ["x00281103", "x00281203"],
  ].entries()) {
    const element = dataSet.elements[table!];
    const entries = dataSet.uint16(descriptor!, 0) || 65536;
    if (!element) fail("its palette is missing or in segments");
    const first = dataSet.uint16(descriptor!, 1) ?? 0;
    const is16Bit = element.length >= 2 * entries;
    for (const [i, value] of values.entries()) {
      const place = Math.min(entries - 1, Math.max(0, value - first));
      rgb[3 * i + c] = is16Bit
        ? (dataSet.uint16(table!, place) ?? 0) >> 8
        : (dataSet.byteArray[element.dataOffset + place] ?? 0);
    }
  }
  return rgb;
}

function patientOf(dataSet: DataSet): string | undefined {
  const id = dataSet.string("x00100020")?.trim();
  if (!id) return undefined;
  return `patient ${createHash("sha256").update(`villa:${id}`).digest("hex").slice(0, 16)}`;
}

/** Of the pixels, or of the detector where that is all there is. */
function spacingOf(dataSet: DataSet): readonly [number, number] | undefined {
  for (const tag of ["x00280030", "x00181164"]) {
    const [row, column] = [dataSet.floatString(tag, 0), dataSet.floatString(tag, 1)];
    if (row !== undefined && column !== undefined && row > 0 && column > 0) return [row, column];
  }
  return undefined;
}

function fail(why: string): never {
  throw new VillaError("InvalidFile", why);
}
