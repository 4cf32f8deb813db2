import { expect, test } from "vitest";
import { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16, float32ToFloat16 } from "../src/formats/half.ts";

const all = Uint16Array.from({ length: 65_536 }, (_, i) => i);
const isNan16 = (half: number): boolean => (half & 0x7fff) > 0x7c00;

/** Half precision by its definition. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + mantissa / 1024) : 2 ** -14 * (mantissa / 1024));
}

test("every half-precision value widens exactly, by table and by arithmetic", () => {
  const expected = Float32Array.from(all, half);
  const byArithmetic = Float32Array.from(all, (_, i) => float16ToFloat32(all.subarray(i, i + 1))[0]!);
  const differs = (values: Float32Array) => values.some((value, i) => !Object.is(value, expected[i]));
  expect(differs(byArithmetic)).toBe(false);
  expect(differs(float16ToFloat32(all))).toBe(false);
});

test("narrowing inverts widening", () => {
  const back = float32ToFloat16(float16ToFloat32(all));
  expect(all.filter((bits) => (isNan16(bits) ? !isNan16(back[bits]!) : back[bits] !== bits))).toHaveLength(0);
  const back16 = float32ToBfloat16(bfloat16ToFloat32(all));
  expect(all.filter((bits) => (bits & 0x7fff) <= 0x7f80 && back16[bits] !== bits)).toHaveLength(0);
});

test("narrowing rounds to the nearest, ties to even", () => {
  const middles = Float32Array.from({ length: 0x7bff }, (_, bits) => (half(bits) + half(bits + 1)) / 2);
  const rounded = float32ToFloat16(middles);
  expect(rounded.filter((result, bits) => result !== bits + (bits & 1))).toHaveLength(0);
  const above = float32ToFloat16(Float32Array.from(middles, (middle) => middle * (1 + 2 ** -22)));
  expect(above.filter((result, bits) => result !== bits + 1)).toHaveLength(0);
  const extremes = float32ToFloat16(Float32Array.of(65_519, 65_520, 1e9, -1e9, Number.NaN, -0, 2 ** -25, 1e-30));
  expect([...extremes]).toEqual([0x7bff, 0x7c00, 0x7c00, 0xfc00, 0x7e00, 0x8000, 0, 0]);
});

test("bfloat16 narrowing keeps NaN and rounds ties to even", () => {
  const bits = new Uint32Array([0x7f800001, 0x7fffffff, 0x3f808000, 0x3f818000, 0x3f808001, 0x7f7fffff]);
  const narrowed = float32ToBfloat16(new Float32Array(bits.buffer));
  expect(Number.isNaN(bfloat16ToFloat32(narrowed.subarray(0, 1))[0])).toBe(true);
  expect(Number.isNaN(bfloat16ToFloat32(narrowed.subarray(1, 2))[0])).toBe(true);
  expect([...narrowed.subarray(2)]).toEqual([0x3f80, 0x3f82, 0x3f81, 0x7f80]);
});
