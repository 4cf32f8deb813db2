// 8-bit floats of PyTorch and ONNX (Micikevicius et al. 2022, "FP8 formats for deep learning"). Like halves they are
// widened on reading and narrowed on writing; with 256 values each, by table.

/** The 8-bit formats that are read: 4 exponent bits without infinities, and 5 with them. */
export type Float8Type = "float8_e4m3fn" | "float8_e5m2";

const tables: Readonly<Record<Float8Type, Float32Array>> = {
  float8_e4m3fn: Float32Array.from({ length: 256 }, (_, bits) => e4m3(bits)),
  float8_e5m2: Float32Array.from({ length: 256 }, (_, bits) => e5m2(bits)),
};

/** Whether a type is one of {@link Float8Type}. */
export function isFloat8(dtype: string): dtype is Float8Type {
  return dtype === "float8_e4m3fn" || dtype === "float8_e5m2";
}

/** Widens exactly. */
export function float8ToFloat32(bits: Uint8Array, type: Float8Type): Float32Array {
  const table = tables[type];
  const out = new Float32Array(bits.length);
  for (let i = 0; i < out.length; i++) out[i] = table[bits[i]!]!;
  return out;
}

/**
 * Rounds to the nearest value, ties to even; values beyond the largest become NaN (e4m3fn) or infinity (e5m2), as in
 * torch.
 */
export function float32ToFloat8(values: Float32Array, type: Float8Type): Uint8Array {
  return Uint8Array.from(values, (value) => nearest(value, type));
}

function nearest(value: number, type: Float8Type): number {
  const table = tables[type];
  const sign = value < 0 || Object.is(value, -0) ? 128 : 0;
  const magnitude = Math.abs(value);
  const notFinite = type === "float8_e4m3fn" ? 0x7f : 0x7c;
  if (Number.isNaN(value)) return 0x7f;
  // Magnitudes ascend with their bits up to the largest finite one.
  let low = 0;
  let high = notFinite - 1;
  const largest = table[high]!;
  if (magnitude > largest) {
    // As if there were one more value above: what is closer to the largest is rounded to it, a tie to the even one.
    const middle = largest + (largest - table[high - 1]!) / 2;
    const isLargest = magnitude < middle || (magnitude === middle && high % 2 === 0);
    return sign | (isLargest ? high : notFinite);
  }
  while (low < high) {
    const middle = (low + high) >> 1;
    if (table[middle]! < magnitude) low = middle + 1;
    else high = middle;
  }
  if (low === 0 || table[low] === magnitude) return sign | low;
  const below = magnitude - table[low - 1]!;
  const above = table[low]! - magnitude;
  return sign | (below < above || (below === above && low % 2 === 1) ? low - 1 : low);
}

function e4m3(bits: number): number {
  const sign = bits & 128 ? -1 : 1;
  const exponent = (bits >> 3) & 15;
  const mantissa = bits & 7;
  if (exponent === 15 && mantissa === 7) return Number.NaN;
  return sign * (exponent === 0 ? mantissa * 2 ** -9 : (8 + mantissa) * 2 ** (exponent - 10));
}

function e5m2(bits: number): number {
  const sign = bits & 128 ? -1 : 1;
  const exponent = (bits >> 2) & 31;
  const mantissa = bits & 3;
  if (exponent === 31) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? mantissa * 2 ** -16 : (4 + mantissa) * 2 ** (exponent - 17));
}
