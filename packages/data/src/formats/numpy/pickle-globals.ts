import type { Allowance } from "../limits.ts";
import { builtinGlobals } from "../pickle/builtins.ts";
import {
  fixedGlobals,
  isPickleGlobal,
  type PickleGlobal,
  type PickleGlobals,
  pickleGlobal,
} from "../pickle/globals.ts";
import { malformed, PickledArray, PickledType, readScalar } from "./pickled-array.ts";

/** What a pickle inside an NPY file may refer to: NumPy arrays, scalars, dtypes, and plain Python containers. */
export function numpyGlobals(allowance: Allowance): PickleGlobals {
  return fixedGlobals(new Map([...builtinGlobals(allowance), ...numpyGlobalList(allowance)]));
}

/** The NumPy part of the list, to be joined with others. Every constructor knows each of its arguments, or refuses. */
export function numpyGlobalList(allowance: Allowance): [string, PickleGlobal][] {
  const ndarray = pickleGlobal("numpy.ndarray");
  /** `_reconstruct(subtype, shape, dtype)`: an empty array, whose state follows. */
  const reconstruct = pickleGlobal("numpy reconstruct", (args) => {
    const [subtype, shape] = args;
    if (args.length !== 3 || !isPickleGlobal(subtype) || !Array.isArray(shape)) throw malformed("array");
    return new PickledArray(allowance);
  });
  const dtype = pickleGlobal("numpy dtype", (args) => {
    // (type, align, copy)
    if (args.length < 1 || args.length > 3) throw malformed("dtype");
    return new PickledType(args[0]);
  });
  const scalar = pickleGlobal("numpy scalar", (args) => {
    if (args.length !== 2) throw malformed("scalar");
    return readScalar(args[0], args[1], allowance);
  });
  /** `_frombuffer(buffer, dtype, shape, order, axis_order=None)`; since NumPy 2.3 the order may be "K". */
  const fromBuffer = pickleGlobal("numpy frombuffer", (args) => {
    const [buffer, type, shape, order, axisOrder] = args;
    if (args.length < 4 || args.length > 5) throw malformed("array");
    const array = new PickledArray(allowance);
    if (order === "K" && axisOrder !== undefined && axisOrder !== null) {
      array.setTransposed(shape, type, buffer, axisOrder);
      return array;
    }
    if (order !== "C" && order !== "F" && order !== "A" && order !== "K") throw malformed("array");
    array.setState([1, shape, type, order === "F", buffer]);
    return array;
  });
  /** NumPy 2's strings of variable width: (coerce, na_object). */
  const stringType = pickleGlobal("numpy StringDType", (args) => {
    if (args.length > 2) throw malformed("dtype");
    return new PickledType("StringDType");
  });
  const entries: [string, PickleGlobal][] = [
    ["numpy.ndarray", ndarray],
    ["numpy.dtype", dtype],
    ["numpy._core._internal._convert_to_stringdtype_kwargs", stringType],
  ];
  // NumPy 2 moved its core to numpy._core.
  for (const core of ["numpy.core", "numpy._core"]) {
    entries.push([`${core}.multiarray._reconstruct`, reconstruct]);
    entries.push([`${core}.multiarray.scalar`, scalar]);
    entries.push([`${core}.numeric._frombuffer`, fromBuffer]);
  }
  return entries;
}
