import { VillaError } from "../../errors.ts";
import { describe } from "../describe.ts";
import { otherKind } from "../recognize.ts";
import { parsePythonLiteral } from "./literal.ts";

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
    throw new VillaError("InvalidFile", `This is not a NumPy .npy array${otherKind(bytes)}.`);
  }
  const version = bytes[6]!;
  const wide = version >= 2;
  if (version < 1 || version > 3)
    throw new VillaError(
      "Unsupported",
      `The .npy array is of the unknown version ${version}; save it again with numpy.save.`,
    );
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

/** The header is a Python dict literal of exactly three keys. */
function parseDictionary(text: string): Omit<NpyHeader, "dataStart"> {
  const invalid = (why: string) => new VillaError("InvalidFile", `The .npy array has a header ${why}.`);
  const header = parsePythonLiteral(text);
  if (!(header instanceof Map)) throw invalid("that is not a dict");
  const unknown = [...header.keys()].find((key) => key !== "descr" && key !== "fortran_order" && key !== "shape");
  if (unknown !== undefined) throw invalid(`with an unknown key, ${describe(unknown)}`);
  const [descriptor, order, shape] = [header.get("descr"), header.get("fortran_order"), header.get("shape")];
  if (Array.isArray(descriptor)) {
    throw new VillaError("Unsupported", "NumPy arrays of structured types cannot be read.");
  }
  if (typeof descriptor !== "string") throw invalid("without a type (descr)");
  if (typeof order !== "boolean") throw invalid("without a memory order (fortran_order)");
  const isSide = (side: unknown): side is number => Number.isSafeInteger(side) && (side as number) >= 0;
  if (!Array.isArray(shape) || shape.length > mostDimensions || !shape.every(isSide)) {
    throw invalid("without a shape of whole numbers");
  }
  return { descriptor, fortranOrder: order, shape };
}
