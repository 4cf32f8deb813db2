import { VillaError } from "../../errors.ts";
import type { Allowance } from "../limits.ts";
import { latin1ToBytes } from "../pickle/byte-reader.ts";
import {
  builtinGlobals,
  fixedGlobals,
  type PickleGlobal,
  type PickleGlobals,
  pickleGlobal,
  StatefulObject,
} from "../pickle/globals.ts";
import { elementCount, isTensorData } from "../tensor.ts";
import type { NpyArray } from "./array.ts";
import { decodeArray } from "./decode.ts";
import { type NumpyType, parseDescriptor } from "./descriptor.ts";

/** What a pickle inside an NPY file may refer to: NumPy arrays, scalars, dtypes, and plain Python containers. */
export function numpyGlobals(allowance: Allowance): PickleGlobals {
  return fixedGlobals(new Map([...builtinGlobals(), ...numpyGlobalList(allowance)]));
}

/** The NumPy part of the list, to be joined with others. */
export function numpyGlobalList(allowance: Allowance): [string, PickleGlobal][] {
  const reconstruct = pickleGlobal("numpy reconstruct", () => new PickledArray(allowance));
  const scalar = pickleGlobal("numpy scalar", ([dtype, bytes]) => readScalar(dtype, bytes, allowance));
  const fromBuffer = pickleGlobal("numpy frombuffer", ([buffer, dtype, shape, order]) => {
    const array = new PickledArray(allowance);
    array.setState([1, shape, dtype, order === "F", buffer]);
    return array;
  });
  const entries: [string, PickleGlobal][] = [
    ["numpy.ndarray", pickleGlobal("numpy ndarray")],
    ["numpy.dtype", pickleGlobal("numpy dtype", ([descriptor]) => new PickledType(descriptor))],
    ["_codecs.encode", pickleGlobal("latin1 bytes", ([text, codec]) => encodeLatin1(text, codec))],
  ];
  // NumPy 2 moved its core to numpy._core.
  for (const core of ["numpy.core", "numpy._core"]) {
    entries.push([`${core}.multiarray._reconstruct`, reconstruct]);
    entries.push([`${core}.multiarray.scalar`, scalar]);
    entries.push([`${core}.numeric._frombuffer`, fromBuffer]);
  }
  return entries;
}

/** A dtype on its way: "f4" from its constructor, the byte order from its state. */
class PickledType extends StatefulObject {
  #descriptor: string;

  constructor(descriptor: unknown) {
    super();
    if (typeof descriptor !== "string") throw malformed("dtype");
    this.#descriptor = descriptor;
  }

  get type(): NumpyType {
    return parseDescriptor(this.#descriptor);
  }

  setState(state: unknown): void {
    if (!Array.isArray(state)) throw malformed("dtype");
    const [, order] = state;
    if (order === ">") this.#descriptor = `>${this.#descriptor.replace(/^[<>|=]/, "")}`;
  }
}

/** An array on its way: becomes a {@link NpyArray} in place, so that every reference in the pickle sees the result. */
class PickledArray extends StatefulObject {
  declare dtype: NpyArray["dtype"];
  declare shape: number[];
  declare data: NpyArray["data"];
  readonly #allowance: Allowance;

  constructor(allowance: Allowance) {
    super();
    this.#allowance = allowance;
  }

  setState(state: unknown): void {
    if (!Array.isArray(state) || state.length < 5) throw malformed("array");
    const [, shape, dtype, fortranOrder, contents] = state;
    if (!Array.isArray(shape) || !(dtype instanceof PickledType)) throw malformed("array");
    Object.assign(this, this.#decode([...shape], dtype.type, fortranOrder === true, contents));
  }

  #decode(shape: number[], type: NumpyType, fortranOrder: boolean, contents: unknown): NpyArray {
    if (type.dtype === "object") {
      if (!Array.isArray(contents) || contents.length !== elementCount(shape)) throw malformed("array of objects");
      return { dtype: "object", shape, data: contents };
    }
    const bytes = typeof contents === "string" ? latin1ToBytes(contents) : contents;
    if (!(bytes instanceof Uint8Array)) throw malformed("array");
    return decodeArray(bytes, type, { shape, fortranOrder }, this.#allowance);
  }
}

function readScalar(dtype: unknown, contents: unknown, allowance: Allowance): unknown {
  const bytes = typeof contents === "string" ? latin1ToBytes(contents) : contents;
  if (!(dtype instanceof PickledType) || !(bytes instanceof Uint8Array)) throw malformed("scalar");
  const array = decodeArray(bytes, dtype.type, { shape: [], fortranOrder: false }, allowance);
  const value = array.data[0];
  if (!isTensorData(array)) return array.dtype === "unicode" || array.dtype === "bytes" ? value : array;
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  return array.dtype === "bool" ? value === 1 : value;
}

/** Protocol 2 has no bytes: Python 3 writes them as a call that encodes a string. */
function encodeLatin1(text: unknown, codec: unknown): Uint8Array {
  if (typeof text !== "string" || codec !== "latin1") throw malformed("byte string");
  return latin1ToBytes(text);
}

function malformed(what: string): VillaError {
  return new VillaError("InvalidFile", `The pickle is malformed: it has a broken NumPy ${what}.`);
}
