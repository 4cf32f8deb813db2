import { VillaError } from "../../errors.ts";

/** The header of an NPY file. */
export interface NpyHeader {
  readonly descriptor: string;
  readonly fortranOrder: boolean;
  readonly shape: number[];
  /** Where the elements start. */
  readonly dataStart: number;
}

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // \x93NUMPY
const longestHeader = 1 << 16;
const mostDimensions = 64;

/** @throws VillaError `InvalidFile` when this is not an NPY header, `Unsupported` for structured types */
export function parseNpyHeader(bytes: Uint8Array): NpyHeader {
  if (bytes.length < 10 || magic.some((byte, i) => bytes[i] !== byte)) {
    throw new VillaError("InvalidFile", "This is not a NumPy .npy array: it does not start with \\x93NUMPY.");
  }
  const version = bytes[6]!;
  const wide = version >= 2;
  if (version < 1 || version > 3) throw new VillaError("Unsupported", `NPY version ${version} is unknown.`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = wide ? 12 : 10;
  const length = wide && bytes.length >= 12 ? view.getUint32(8, true) : view.getUint16(8, true);
  if (length > longestHeader || start + length > bytes.length) {
    throw new VillaError("InvalidFile", "The .npy array is truncated within its header.");
  }
  const text = new TextDecoder(version === 3 ? "utf-8" : "latin1").decode(bytes.subarray(start, start + length));
  return { ...parseDictionary(text), dataStart: start + length };
}

/** The header NumPy itself writes: version 1, padded so that the elements start at a multiple of 64. */
export function formatNpyHeader(descriptor: string, shape: readonly number[]): Uint8Array {
  const sides = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const dictionary = `{'descr': '${descriptor}', 'fortran_order': False, 'shape': (${sides}), }`;
  const total = Math.ceil((10 + dictionary.length + 1) / 64) * 64;
  const header = new Uint8Array(total).fill(0x20);
  header.set(magic);
  header[6] = 1;
  header[7] = 0;
  header[8] = (total - 10) & 255;
  header[9] = (total - 10) >> 8;
  for (let i = 0; i < dictionary.length; i++) header[10 + i] = dictionary.charCodeAt(i);
  header[total - 1] = 0x0a;
  return header;
}

/** The header is a Python dict literal of exactly three keys; this reads that and nothing more general. */
function parseDictionary(text: string): Omit<NpyHeader, "dataStart"> {
  const invalid = () => new VillaError("InvalidFile", "The .npy array has a header that cannot be understood.");
  const body = /^\s*\{(.*)\}\s*$/s.exec(text)?.[1];
  if (body === undefined) throw invalid();
  const descriptor = /'descr':\s*(?:'([^']*)'|(\[))/.exec(body);
  const order = /'fortran_order':\s*(True|False)/.exec(body)?.[1];
  const sides = /'shape':\s*\(([\d,\sL]*)\)/.exec(body)?.[1];
  if (!descriptor || !order || sides === undefined) throw invalid();
  if (descriptor[2]) throw new VillaError("Unsupported", "NumPy arrays of structured types cannot be read.");
  const shape = sides
    .split(",")
    .map((side) => side.trim().replace(/L$/, ""))
    .filter((side) => side !== "")
    .map(Number);
  if (shape.length > mostDimensions || !shape.every(Number.isSafeInteger)) throw invalid();
  return { descriptor: descriptor[1]!, fortranOrder: order === "True", shape };
}
