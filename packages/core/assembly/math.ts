// Vector arithmetic shared by the kernels: four float32 lanes at a time.
import { BinaryOp, ParametricOp, UnaryOp } from "./codes";

// @ts-ignore: decorator
@inline
export function binary(op: i32, a: v128, b: v128): v128 {
  if (op == BinaryOp.Add) return f32x4.add(a, b);
  if (op == BinaryOp.Sub) return f32x4.sub(a, b);
  if (op == BinaryOp.Multiply) return f32x4.mul(a, b);
  if (op == BinaryOp.RealDiv) return f32x4.div(a, b);
  if (op == BinaryOp.Maximum) return f32x4.max(a, b);
  if (op == BinaryOp.Minimum) return f32x4.min(a, b);
  const d = f32x4.sub(a, b);
  return f32x4.mul(d, d);
}

// @ts-ignore: decorator
@inline
export function unary(op: i32, x: v128, p: v128, q: v128): v128 {
  const zero = f32x4.splat(0);
  const one = f32x4.splat(1);
  if (op == UnaryOp.Relu) return f32x4.pmax(x, zero); // one instruction, unlike max; keeps NaN
  if (op == UnaryOp.Neg) return f32x4.neg(x);
  if (op == UnaryOp.Abs) return f32x4.abs(x);
  if (op == UnaryOp.Square) return f32x4.mul(x, x);
  if (op == UnaryOp.Sqrt) return f32x4.sqrt(x);
  if (op == UnaryOp.Rsqrt) return f32x4.div(one, f32x4.sqrt(x));
  if (op == UnaryOp.Exp) return exp(x);
  if (op == UnaryOp.Sigmoid) return f32x4.div(one, f32x4.add(one, exp(f32x4.neg(x))));
  if (op == UnaryOp.Reciprocal) return f32x4.div(one, x);
  if (op == ParametricOp.ClipByValue) return f32x4.min(f32x4.max(x, p), q);
  // step(x) = 1 where x > 0, alpha (p) elsewhere, NaN kept
  if (op == ParametricOp.Step) return v128.bitselect(x, v128.bitselect(one, p, f32x4.gt(x, zero)), f32x4.ne(x, x));
  if (op == ParametricOp.LeakyRelu) return v128.bitselect(f32x4.mul(x, p), x, f32x4.lt(x, zero));
  return x;
}

/** 1.5·2^23: adding it rounds a small float to an integer, which then sits in the low bits. */
export const ROUND: f32 = 12582912;

/** e^(x − n·ln 2), where n is the whole number nearest to x / ln 2: a polynomial. */
// @ts-ignore: decorator
@inline
export function expOfRest(x: v128, n: v128): v128 {
  let r = f32x4.sub(x, f32x4.mul(n, f32x4.splat(0.693359375)));
  r = f32x4.sub(r, f32x4.mul(n, f32x4.splat(-2.12194440e-4)));
  let y = f32x4.splat(1.9875691500e-4);
  y = f32x4.add(f32x4.mul(y, r), f32x4.splat(1.3981999507e-3));
  y = f32x4.add(f32x4.mul(y, r), f32x4.splat(8.3334519073e-3));
  y = f32x4.add(f32x4.mul(y, r), f32x4.splat(4.1665795894e-2));
  y = f32x4.add(f32x4.mul(y, r), f32x4.splat(1.6666665459e-1));
  y = f32x4.add(f32x4.mul(y, r), f32x4.splat(5.0000001201e-1));
  y = f32x4.add(f32x4.add(f32x4.mul(y, f32x4.mul(r, r)), r), f32x4.splat(1));
  return y;
}

/**
 * e^x to about 1 ulp: x = n·ln2 + r with |r| ≤ ln2/2, a degree-6 polynomial for e^r (Cephes expf), times 2^n in two
 * factors, as 2^128 alone overflows. Results below the smallest normal float come out as 0.
 */
// @ts-ignore: decorator
@inline
export function exp(x: v128): v128 {
  const clamped = f32x4.pmin(f32x4.splat(89), f32x4.pmax(f32x4.splat(-88), x));
  const shifted = f32x4.add(f32x4.mul(clamped, f32x4.splat(1.44269504)), f32x4.splat(ROUND));
  const n = f32x4.sub(shifted, f32x4.splat(ROUND));
  let y = expOfRest(clamped, n);
  // 2^(n-1)·2: the exponent field of the first factor holds 127 + n − 1 ≥ 0 for n ≥ −126.
  const power = i32x4.shl(i32x4.add(shifted, i32x4.splat(0x7e - 0x4b400000)), 23);
  y = f32x4.mul(f32x4.mul(y, power), f32x4.splat(2));
  y = v128.and(y, f32x4.ge(x, f32x4.splat(-87.33654)));
  return v128.bitselect(x, y, f32x4.ne(x, x)); // NaN stays NaN
}

// @ts-ignore: decorator
@inline
export function sumLanes(v: v128): f32 {
  return (
    f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3))
  );
}

// @ts-ignore: decorator
@inline
export function maxLanes(v: v128): f32 {
  return max(
    max(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)),
    max(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)),
  );
}

/** Loads n < 4 floats into the first lanes, zeros behind. */
// @ts-ignore: decorator
@inline
export function loadTail(address: usize, n: i32): v128 {
  let v = f32x4.splat(0);
  if (n > 0) v = f32x4.replace_lane(v, 0, load<f32>(address));
  if (n > 1) v = f32x4.replace_lane(v, 1, load<f32>(address, 4));
  if (n > 2) v = f32x4.replace_lane(v, 2, load<f32>(address, 8));
  return v;
}

/** Stores the first n < 4 lanes. */
// @ts-ignore: decorator
@inline
export function storeTail(address: usize, v: v128, n: i32): void {
  if (n > 0) store<f32>(address, f32x4.extract_lane(v, 0));
  if (n > 1) store<f32>(address, f32x4.extract_lane(v, 1), 4);
  if (n > 2) store<f32>(address, f32x4.extract_lane(v, 2), 8);
}

/** Rows of a column's sum that are added up before they join the total: bounds the rounding error as a tree of two levels does. */
export const ROWS_OF_SUM: i32 = 64;

/** y += x for n floats. */
// @ts-ignore: decorator
@inline
export function addRun(y: usize, x: usize, n: i32): void {
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    v128.store(y, f32x4.add(v128.load(y), v128.load(x)));
    x += 16;
    y += 16;
  }
  for (; i < n; i++) {
    store<f32>(y, load<f32>(y) + load<f32>(x));
    x += 4;
    y += 4;
  }
}

/** The transpose of 4 × 4 values: rows of x are `xRow` bytes apart, rows of y `yRow`. */
// @ts-ignore: decorator
@inline
export function turn(y: usize, yRow: usize, x: usize, xRow: usize): void {
  const r0 = v128.load(x);
  const r1 = v128.load(x + xRow);
  const r2 = v128.load(x + 2 * xRow);
  const r3 = v128.load(x + 3 * xRow);
  const t0 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5);
  const t1 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5);
  const t2 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7);
  const t3 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7);
  v128.store(y, v128.shuffle<i64>(t0, t1, 0, 2));
  v128.store(y + yRow, v128.shuffle<i64>(t0, t1, 1, 3));
  v128.store(y + 2 * yRow, v128.shuffle<i64>(t2, t3, 0, 2));
  v128.store(y + 3 * yRow, v128.shuffle<i64>(t2, t3, 1, 3));
}
