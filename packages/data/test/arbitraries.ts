import fc from "fast-check";
import type { DataType, TensorData } from "../src/index.ts";

/** Types that any format holds exactly; halves are tested apart. */
export const exactTypes = [
  "float64",
  "float32",
  "int64",
  "int32",
  "int16",
  "int8",
  "uint64",
  "uint32",
  "uint16",
  "uint8",
  "bool",
] as const satisfies readonly DataType[];

const arrays = {
  float64: fc.float64Array,
  float32: fc.float32Array,
  int64: fc.bigInt64Array,
  int32: fc.int32Array,
  int16: fc.int16Array,
  int8: fc.int8Array,
  uint64: fc.bigUint64Array,
  uint32: fc.uint32Array,
  uint16: fc.uint16Array,
  uint8: fc.uint8Array,
  bool: (constraints: { minLength: number; maxLength: number }) => fc.uint8Array({ ...constraints, max: 1 }),
} as const;

/** Tensors of up to four small axes, empty ones and scalars included. */
export function tensors(types: readonly (typeof exactTypes)[number][] = exactTypes): fc.Arbitrary<TensorData> {
  return fc.tuple(fc.constantFrom(...types), fc.array(fc.nat(4), { maxLength: 4 })).chain(([dtype, shape]) => {
    const length = shape.reduce((product, side) => product * side, 1);
    const data: fc.Arbitrary<TensorData["data"]> = arrays[dtype]({ minLength: length, maxLength: length });
    return data.map((values): TensorData => ({ dtype, shape, data: values }));
  });
}
