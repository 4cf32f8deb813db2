import { checkArgument } from "./check-arguments.ts";

// 16-bit floats. JavaScript has no arrays for them, so files' values are widened on reading and narrowed on writing.

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

/** Widens IEEE half-precision bits exactly. */
export function float16ToFloat32(half: Uint16Array): Float32Array {
  // 65 536 entries pay off only for tensors of at least about that many elements; a table lookup is 4× the arithmetic.
  if (!wideningTable && half.length >= 16_384) wideningTable = makeWideningTable();
  const out = new Float32Array(half.length);
  const outBits = new Uint32Array(out.buffer);
  const table = wideningTable;
  if (table) for (let i = 0; i < half.length; i++) outBits[i] = table[half[i]!]!;
  else for (let i = 0; i < half.length; i++) outBits[i] = widenBits(half[i]!);
  return out;
}

/**
 * Rounds to the nearest half-precision value, ties to even; values that are too large become infinity.
 *
 * @returns the bits
 */
export function float32ToFloat16(values: Float32Array): Uint16Array {
  checkArgument("values", values, "numbers");
  const out = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    float[0] = values[i]!;
    out[i] = narrowBits(bits[0]!);
  }
  return out;
}

/** Widens bfloat16 bits exactly: they are the upper half of a float32. */
export function bfloat16ToFloat32(half: Uint16Array): Float32Array {
  const out = new Float32Array(half.length);
  const outBits = new Uint32Array(out.buffer);
  for (let i = 0; i < half.length; i++) outBits[i] = half[i]! << 16;
  return out;
}

/** Rounds to the nearest bfloat16 value, ties to even. */
export function float32ToBfloat16(values: Float32Array): Uint16Array {
  const out = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    float[0] = values[i]!;
    const x = bits[0]!;
    // Adding the rounding increment to a NaN could carry it into infinity.
    const isNan = (x & 0x7fffffff) > 0x7f800000;
    out[i] = isNan ? (x >>> 16) | 0x40 : (x + 0x7fff + ((x >>> 16) & 1)) >>> 16;
  }
  return out;
}

let wideningTable: Uint32Array | undefined;

function makeWideningTable(): Uint32Array {
  return Uint32Array.from({ length: 65_536 }, (_, half) => widenBits(half));
}

function widenBits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  if (exponent === 31) return sign | 0x7f800000 | (mantissa << 13);
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (mantissa << 13);
  if (mantissa === 0) return sign;
  // Subnormal: shift the leading one up to the implicit position.
  const shift = Math.clz32(mantissa) - 21;
  return sign | ((113 - shift) << 23) | (((mantissa << shift) & 0x3ff) << 13);
}

function narrowBits(x: number): number {
  const sign = (x >>> 16) & 0x8000;
  const magnitude = x & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // rounds to 65 536 or more
  if (magnitude >= 0x38800000) return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  if (magnitude < 0x33000000) return sign; // below half of the smallest subnormal
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const shift = 126 - (magnitude >>> 23); // 14 … 24
  const half = mantissa >>> shift;
  const rest = mantissa & ((1 << shift) - 1);
  const middle = 1 << (shift - 1);
  return sign | (half + (rest > middle || (rest === middle && (half & 1) === 1) ? 1 : 0));
}
