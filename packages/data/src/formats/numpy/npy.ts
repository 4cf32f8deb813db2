import { VillaError } from "../../errors.ts";
import { checkBytes, checkList, checkObject, isText } from "../check-arguments.ts";
import { describeShape, quote } from "../describe.ts";
import { Allowance, type ReadLimits } from "../limits.ts";
import { readPickle } from "../pickle/reader.ts";
import { elementCount, encodeElements, isTensorData } from "../tensor.ts";
import type { ComplexArray, NpyArray, ObjectArray, TextArray } from "./array.ts";
import { decodeArray } from "./decode.ts";
import { numericDescriptor, parseDescriptor } from "./descriptor.ts";
import { formatNpyHeader, parseNpyHeader } from "./header.ts";
import { numpyGlobals } from "./pickle-globals.ts";
import { pickleObjectArray } from "./pickle-objects.ts";

/** Options of {@link readNpy} and `readNpz`. */
export interface NpyOptions extends ReadLimits {
  /** Leave float16 as its bits in a Uint16Array instead of widening it. */
  readonly raw?: boolean | undefined;
}

/**
 * Reads a NumPy `.npy` array of any numeric type, booleans, strings or objects; both byte orders, both memory orders.
 *
 * Objects are Python pickles inside: they are read by a pickle reader that knows arrays and plain values and refuses
 * everything else.
 *
 * @returns row-major array; numeric data may be a view of `bytes`
 * @throws VillaError `InvalidFile`, `Unsupported` (dates, structured types), `UnsafeFile` (pickle with foreign code,
 *   more memory than allowed)
 */
export function readNpy(bytes: Uint8Array, options: NpyOptions = {}): NpyArray {
  checkBytes(bytes);
  return readNpyWithin(bytes, new Allowance(bytes.length, options), options);
}

/** {@link readNpy} that shares its memory limit with other reads. */
export function readNpyWithin(bytes: Uint8Array, allowance: Allowance, options: NpyOptions): NpyArray {
  const header = parseNpyHeader(bytes);
  const type = parseDescriptor(header.descriptor);
  const body = bytes.subarray(header.dataStart);
  if (type.dtype === "object") return readObjects(body, header.shape, allowance);
  const { shape, fortranOrder } = header;
  return decodeArray(body, { type, shape, fortranOrder, allowance, raw: options.raw });
}

/**
 * Writes a NumPy `.npy` file. Object arrays are pickled so that `numpy.load(…, allow_pickle=True)` reads them; their
 * elements may be null, booleans, numbers, strings, bytes, arrays, Maps and numeric arrays ({@link TensorData}).
 *
 * @throws VillaError `InvalidArgument` when data and shape disagree, `Unsupported` for bfloat16
 */
export function writeNpy(array: NpyArray): Uint8Array {
  checkObject(array, "An array");
  checkList(array.shape, "The shape of an array");
  if (array.dtype === "object") {
    checkCount(array);
    return join(formatNpyHeader("|O", array.shape), pickleObjectArray(array));
  }
  if (array.dtype === "unicode" || array.dtype === "bytes") return writeText(array);
  const header = formatNpyHeader(numericDescriptor(array.dtype), array.shape);
  if (isTensorData(array)) return join(header, encodeElements(array));
  const { dtype, shape, data } = array as ComplexArray;
  const part = dtype === "complex64" ? "float32" : "float64";
  return join(header, encodeElements({ dtype: part, shape: [...shape, 2], data }));
}

/** Arrays of objects, and NumPy 2's arrays of variable-width strings, which it writes as objects. */
function readObjects(body: Uint8Array, shape: number[], allowance: Allowance): ObjectArray | TextArray {
  const value = readPickle(body, { globals: numpyGlobals(allowance), allowance }).value;
  const array = value as Partial<ObjectArray | TextArray> | null;
  const isObjects = typeof array === "object" && (array?.dtype === "object" || array?.dtype === "unicode");
  if (!isObjects || !Array.isArray(array.data)) {
    throw new VillaError("InvalidFile", "The array of objects does not hold a pickled NumPy array.");
  }
  if (array.data.length !== elementCount(shape)) {
    throw new VillaError(
      "InvalidFile",
      `The array of objects has ${array.data.length} elements, not shape ${describeShape(shape)}.`,
    );
  }
  return { dtype: array.dtype, shape, data: array.data } as ObjectArray | TextArray;
}

function writeText(array: TextArray): Uint8Array {
  checkCount(array);
  const texts = array.data.map((text) => Array.from(text, (character) => character.codePointAt(0)!));
  const characters = texts.reduce((longest, text) => Math.max(longest, text.length), 1);
  const unicode = array.dtype === "unicode";
  const itemSize = unicode ? 4 * characters : characters;
  const body = new Uint8Array(itemSize * texts.length);
  const view = new DataView(body.buffer);
  for (const [i, text] of texts.entries()) {
    for (const [k, code] of text.entries()) {
      if (unicode) view.setUint32(i * itemSize + 4 * k, code, true);
      else if (code < 256) body[i * itemSize + k] = code;
      else
        throw new VillaError("InvalidArgument", `${quote(array.data[i]!)} has characters beyond Latin-1; use unicode.`);
    }
  }
  return join(formatNpyHeader(`${unicode ? "<U" : "|S"}${characters}`, array.shape), body);
}

function checkCount({ dtype, shape, data }: ObjectArray | TextArray): void {
  if (dtype === "object") checkList(data, "The data of an array of objects");
  else checkList(data, "The data of an array of texts", isText);
  if (data.length !== elementCount(shape)) {
    throw new VillaError(
      "InvalidArgument",
      `An array of shape ${describeShape(shape)} cannot hold ${data.length} elements.`,
    );
  }
}

function join(header: Uint8Array, body: Uint8Array): Uint8Array {
  const out = new Uint8Array(header.length + body.length);
  out.set(header);
  out.set(body, header.length);
  return out;
}
