/// <reference path="./codecs.d.ts" />

import { VillaError } from "@villa/data";

/** What a frame must come to. */
export interface FrameShape {
  readonly width: number;
  readonly height: number;
  readonly samples: number;
  /** Of a sample. */
  readonly bytes: number;
}

/** Samples of a frame, one pixel's next to each other unless its file says otherwise. */
type Decompress = (frame: Uint8Array, shape: FrameShape) => Promise<Uint8Array>;

/** Transfer syntaxes whose pixels are compressed. @see DICOM PS3.5, section 10 */
const decoders: ReadonlyMap<string, Decompress> = new Map([
  ["1.2.840.10008.1.2.4.50", jpeg],
  ["1.2.840.10008.1.2.4.51", jpeg],
  ["1.2.840.10008.1.2.4.57", jpegLossless],
  ["1.2.840.10008.1.2.4.70", jpegLossless],
  ["1.2.840.10008.1.2.4.80", jpegLs],
  ["1.2.840.10008.1.2.4.81", jpegLs],
  ["1.2.840.10008.1.2.4.90", jpeg2000],
  ["1.2.840.10008.1.2.4.91", jpeg2000],
  ["1.2.840.10008.1.2.5", runLengths],
]);

/** Transfer syntaxes whose pixels are not. */
export const nativeSyntaxes: ReadonlySet<string> = new Set([
  "1.2.840.10008.1.2",
  "1.2.840.10008.1.2.1",
  "1.2.840.10008.1.2.1.99",
  "1.2.840.10008.1.2.2",
]);

/** @throws VillaError `InvalidFile` for a syntax that is not known, a codec that is not installed, or damaged pixels */
export async function decompress(
  frame: Uint8Array,
  { syntax, shape }: { readonly syntax: string; readonly shape: FrameShape },
): Promise<Uint8Array> {
  const decode = decoders.get(syntax);
  if (!decode) {
    throw new VillaError(
      "InvalidFile",
      `its transfer syntax ${syntax} is not known; convert it, e.g. with dcmdjpeg or gdcmconv --raw`,
    );
  }
  const pixels = await decode(frame, shape);
  const { width, height, samples, bytes } = shape;
  if (pixels.length >= width * height * samples * bytes) return pixels;
  throw new VillaError("InvalidFile", `its compressed pixels end too early, at ${pixels.length} bytes`);
}

/** Baseline, and extended of 8 bits, by libjpeg-turbo. */
async function jpeg(frame: Uint8Array, { samples, bytes }: FrameShape): Promise<Uint8Array> {
  if (bytes > 1)
    throw new VillaError(
      "InvalidFile",
      "its JPEG has 12 bits a sample, which is not read; convert it, e.g. with dcmdjpeg",
    );
  const { default: sharp } = await import("sharp");
  const picture = sharp(frame, { failOn: "error" });
  return picture
    .toColourspace(samples === 1 ? "b-w" : "srgb")
    .raw()
    .toBuffer();
}

async function jpegLossless(frame: Uint8Array, { bytes }: FrameShape): Promise<Uint8Array> {
  const { Decoder } = await codec("jpeg-lossless-decoder-js", () => import("jpeg-lossless-decoder-js"));
  const { buffer, byteOffset, length } = frame.slice();
  const pixels = new Decoder().decode(buffer, byteOffset, length, bytes);
  return new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength);
}

/** Codecs write notes about good files, too, which would stand among a command's results. */
const quiet: CornerstoneOptions = { print: () => {}, printErr: () => {} };

const charLs = once(async () => {
  const name = "@cornerstonejs/codec-charls";
  return (await codec(name, () => import("@cornerstonejs/codec-charls/decodewasmjs"))).default(quiet);
});

const openJpeg = once(async () => {
  const name = "@cornerstonejs/codec-openjpeg";
  return (await codec(name, () => import("@cornerstonejs/codec-openjpeg/decodewasmjs"))).default(quiet);
});

async function jpegLs(frame: Uint8Array): Promise<Uint8Array> {
  return byCornerstone(new (await charLs()).JpegLSDecoder(), frame);
}

async function jpeg2000(frame: Uint8Array): Promise<Uint8Array> {
  return byCornerstone(new (await openJpeg()).J2KDecoder(), frame);
}

/** A codec is compiled for the first frame that needs it. */
function once<Module>(load: () => Promise<Module>): () => Promise<Module> {
  let loaded: Promise<Module> | undefined;
  return () => {
    loaded ??= load();
    return loaded;
  };
}

function byCornerstone(decoder: CornerstoneDecoder, frame: Uint8Array): Uint8Array {
  try {
    decoder.getEncodedBuffer(frame.length).set(frame);
    decoder.decode();
    return decoder.getDecodedBuffer().slice(); // of the codec's memory, which grows
  } finally {
    decoder.delete();
  }
}

/** Imports an optional dependency. */
async function codec<Module>(name: string, load: () => Promise<Module>): Promise<Module> {
  return load().catch((cause: unknown) => {
    throw new VillaError("InvalidFile", `its pixels are compressed in a way that needs a codec: npm install ${name}`, {
      cause,
    });
  });
}

/** DICOM's own run lengths: one segment for each byte of each sample, the most significant first. @see PS3.5, annex G */
async function runLengths(frame: Uint8Array, { width, height, samples, bytes }: FrameShape): Promise<Uint8Array> {
  const area = width * height;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const segments = frame.length < 64 ? 0 : view.getUint32(0, true);
  if (segments !== samples * bytes) {
    throw new VillaError("InvalidFile", `its run lengths have ${segments} segments, not ${samples * bytes}`);
  }
  const out = new Uint8Array(area * samples * bytes);
  for (let segment = 0; segment < segments; segment++) {
    const start = view.getUint32(4 + 4 * segment, true);
    const end = segment + 1 < segments ? view.getUint32(8 + 4 * segment, true) : frame.length;
    const plane = unpackBits(frame.subarray(start, end), area);
    // Samples come one after the other, little-endian.
    const [sample, byte] = [Math.floor(segment / bytes), bytes - 1 - (segment % bytes)];
    for (let i = 0; i < area; i++) out[(i * samples + sample) * bytes + byte] = plane[i]!;
  }
  return out;
}

function unpackBits(packed: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  let to = 0;
  for (let at = 0; to < length && at < packed.length; ) {
    const head = packed[at++]!;
    if (head === 128) continue;
    const count = Math.min(head < 128 ? head + 1 : 257 - head, length - to);
    if (head < 128) out.set(packed.subarray(at, at + count), to);
    else out.fill(packed[at]!, to, to + count);
    at += head < 128 ? head + 1 : 1;
    to += count;
  }
  if (to === length) return out;
  throw new VillaError("InvalidFile", "its run lengths end too early");
}
