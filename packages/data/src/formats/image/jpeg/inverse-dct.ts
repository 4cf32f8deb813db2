import type { JpegComponent } from "./frame.ts";

// The accurate integer transform of the Independent JPEG Group's library (Loeffler, Ligtenberg and Moschytz 1989), in
// the same fixed-point numbers, so that pixels are equal to libjpeg's: 13 fractional bits, 2 of them kept between rows
// and columns.

const work = new Int32Array(64);

/**
 * Multiplies a block by its quantisation table, transforms it, and puts it into its component's samples.
 *
 * @param coefficients natural order, from `at` on
 * @param index the block's number in its component, row by row
 */
export function inverseDct(
  coefficients: Int16Array,
  at: number,
  quantization: Int32Array,
  { samples, blocksWide }: JpegComponent,
  index: number,
): void {
  for (let c = 0; c < 8; c++) transformColumn(coefficients, at + c, quantization, c);
  const stride = 8 * blocksWide;
  const x = index % blocksWide;
  let to = ((8 * (index - x)) / blocksWide) * stride + 8 * x;
  for (let r = 0; r < 64; r += 8, to += stride) transformRow(r, samples, to);
}

function transformColumn(input: Int16Array, at: number, table: Int32Array, c: number): void {
  const [i1, i2, i3] = [input[at + 8]!, input[at + 16]!, input[at + 24]!];
  const [i4, i5, i6, i7] = [input[at + 32]!, input[at + 40]!, input[at + 48]!, input[at + 56]!];
  const dc = Math.imul(input[at]!, table[c]!);
  if ((i1 | i2 | i3 | i4 | i5 | i6 | i7) === 0) {
    const value = dc << 2;
    for (let k = c; k < 64; k += 8) work[k] = value;
    return;
  }
  const z2 = Math.imul(i2, table[c + 16]!);
  const z3 = Math.imul(i6, table[c + 48]!);
  const z1 = Math.imul(z2 + z3, 4433);
  const e2 = z1 - Math.imul(z3, 15137);
  const e3 = z1 + Math.imul(z2, 6270);
  const middle = Math.imul(i4, table[c + 32]!);
  const e0 = (dc + middle) << 13;
  const e1 = (dc - middle) << 13;

  let o0 = Math.imul(i7, table[c + 56]!);
  let o1 = Math.imul(i5, table[c + 40]!);
  let o2 = Math.imul(i3, table[c + 24]!);
  let o3 = Math.imul(i1, table[c + 8]!);
  const y5 = Math.imul(o0 + o2 + o1 + o3, 9633);
  const y1 = -Math.imul(o0 + o3, 7373);
  const y2 = -Math.imul(o1 + o2, 20995);
  const y3 = y5 - Math.imul(o0 + o2, 16069);
  const y4 = y5 - Math.imul(o1 + o3, 3196);
  o0 = Math.imul(o0, 2446) + y1 + y3;
  o1 = Math.imul(o1, 16819) + y2 + y4;
  o2 = Math.imul(o2, 25172) + y2 + y3;
  o3 = Math.imul(o3, 12299) + y1 + y4;

  const half = 1 << 10;
  work[c] = (e0 + e3 + o3 + half) >> 11;
  work[c + 56] = (e0 + e3 - o3 + half) >> 11;
  work[c + 8] = (e1 + e2 + o2 + half) >> 11;
  work[c + 48] = (e1 + e2 - o2 + half) >> 11;
  work[c + 16] = (e1 - e2 + o1 + half) >> 11;
  work[c + 40] = (e1 - e2 - o1 + half) >> 11;
  work[c + 24] = (e0 - e3 + o0 + half) >> 11;
  work[c + 32] = (e0 - e3 - o0 + half) >> 11;
}

function transformRow(r: number, samples: Uint8Array, to: number): void {
  const z2 = work[r + 2]!;
  const z3 = work[r + 6]!;
  const z1 = Math.imul(z2 + z3, 4433);
  const e2 = z1 - Math.imul(z3, 15137);
  const e3 = z1 + Math.imul(z2, 6270);
  const e0 = (work[r]! + work[r + 4]!) << 13;
  const e1 = (work[r]! - work[r + 4]!) << 13;

  let o0 = work[r + 7]!;
  let o1 = work[r + 5]!;
  let o2 = work[r + 3]!;
  let o3 = work[r + 1]!;
  const y5 = Math.imul(o0 + o2 + o1 + o3, 9633);
  const y1 = -Math.imul(o0 + o3, 7373);
  const y2 = -Math.imul(o1 + o2, 20995);
  const y3 = y5 - Math.imul(o0 + o2, 16069);
  const y4 = y5 - Math.imul(o1 + o3, 3196);
  o0 = Math.imul(o0, 2446) + y1 + y3;
  o1 = Math.imul(o1, 16819) + y2 + y4;
  o2 = Math.imul(o2, 25172) + y2 + y3;
  o3 = Math.imul(o3, 12299) + y1 + y4;

  samples[to] = level(e0 + e3 + o3);
  samples[to + 7] = level(e0 + e3 - o3);
  samples[to + 1] = level(e1 + e2 + o2);
  samples[to + 6] = level(e1 + e2 - o2);
  samples[to + 2] = level(e1 - e2 + o1);
  samples[to + 5] = level(e1 - e2 - o1);
  samples[to + 3] = level(e0 - e3 + o0);
  samples[to + 4] = level(e0 - e3 - o0);
}

/** Rounds away the fractional bits and moves the middle from 0 to 128. */
function level(value: number): number {
  return Math.min(255, Math.max(0, ((value + (1 << 17)) >> 18) + 128));
}
