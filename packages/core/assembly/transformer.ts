// What gradients of transformer blocks need besides products: layer normalisation and GELU, each in one pass over memory.
import { GeluKind } from "./codes";
import * as m from "./math";
import { accumulate } from "./reduce";

/**
 * Gradients of y = (x − mean)·r·gamma + beta, r = 1/√(variance + epsilon), over rows of C values: with g = dy·gamma and
 * x̂ = (x − mean)·r, dx = (g − mean(g) − x̂·mean(g·x̂))·r + residual, dgamma = Σ dy·x̂, dbeta = Σ dy. residual [rows, C] is
 * the gradient that reaches x past the norm, or 0 for none. dx may be dy or residual. scratch holds 2·C floats.
 */
export function layerNormGrad(
  dx: usize, dgamma: usize, dbeta: usize, dy: usize, x: usize, gamma: usize, residual: usize, scratch: usize,
  rows: i32, C: i32, epsilon: f32,
): void {
  const bytes = (<usize>C) << 2;
  const second = scratch + bytes;
  const share: f32 = <f32>(1.0 / <f64>C);
  memory.fill(dgamma, 0, bytes);
  memory.fill(dbeta, 0, bytes);
  memory.fill(scratch, 0, bytes << 1);
  for (let r = 0; r < rows; r++) {
    const mean = rowSum(x, C) * share;
    const inverse: f32 = 1 / Mathf.sqrt(rowSquares(x, C, mean) * share + epsilon);
    const meanV = f32x4.splat(mean);
    const inverseV = f32x4.splat(inverse);
    let plain = f32x4.splat(0);
    let along = f32x4.splat(0);
    let plainTail: f32 = 0;
    let alongTail: f32 = 0;
    let i = 0;
    for (; i + 4 <= C; i += 4) {
      const o = (<usize>i) << 2;
      const d = v128.load(dy + o);
      const normed = f32x4.mul(f32x4.sub(v128.load(x + o), meanV), inverseV);
      v128.store(scratch + o, f32x4.add(v128.load(scratch + o), f32x4.mul(d, normed)));
      v128.store(second + o, f32x4.add(v128.load(second + o), d));
      const g = f32x4.mul(d, v128.load(gamma + o));
      plain = f32x4.add(plain, g);
      along = f32x4.add(along, f32x4.mul(g, normed));
    }
    for (; i < C; i++) {
      const o = (<usize>i) << 2;
      const d = load<f32>(dy + o);
      const normed = (load<f32>(x + o) - mean) * inverse;
      store<f32>(scratch + o, load<f32>(scratch + o) + d * normed);
      store<f32>(second + o, load<f32>(second + o) + d);
      const g = d * load<f32>(gamma + o);
      plainTail += g;
      alongTail += g * normed;
    }
    const plainMean = (m.sumLanes(plain) + plainTail) * share;
    const alongMean = (m.sumLanes(along) + alongTail) * share;
    const plainV = f32x4.splat(plainMean);
    const alongV = f32x4.splat(alongMean);
    for (i = 0; i + 4 <= C; i += 4) {
      const o = (<usize>i) << 2;
      const normed = f32x4.mul(f32x4.sub(v128.load(x + o), meanV), inverseV);
      const g = f32x4.mul(v128.load(dy + o), v128.load(gamma + o));
      let v = f32x4.mul(f32x4.sub(f32x4.sub(g, plainV), f32x4.mul(normed, alongV)), inverseV);
      if (residual) v = f32x4.add(v, v128.load(residual + o));
      v128.store(dx + o, v);
    }
    for (; i < C; i++) {
      const o = (<usize>i) << 2;
      const normed = (load<f32>(x + o) - mean) * inverse;
      let v = (load<f32>(dy + o) * load<f32>(gamma + o) - plainMean - normed * alongMean) * inverse;
      if (residual) v += load<f32>(residual + o);
      store<f32>(dx + o, v);
    }
    if ((r + 1) % m.ROWS_OF_SUM == 0 || r + 1 == rows) {
      accumulate(dgamma, scratch, C);
      accumulate(dbeta, second, C);
      memory.fill(scratch, 0, bytes << 1);
    }
    dx += bytes;
    dy += bytes;
    x += bytes;
    if (residual) residual += bytes;
  }
}

// @ts-ignore: decorator
@inline
function rowSum(x: usize, n: i32): f32 {
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let tail: f32 = 0;
  let i = 0;
  for (; i + 8 <= n; i += 8) {
    s0 = f32x4.add(s0, v128.load(x));
    s1 = f32x4.add(s1, v128.load(x, 16));
    x += 32;
  }
  for (; i < n; i++) {
    tail += load<f32>(x);
    x += 4;
  }
  return m.sumLanes(f32x4.add(s0, s1)) + tail;
}

/** Σ (x − mean)² */
// @ts-ignore: decorator
@inline
function rowSquares(x: usize, n: i32, mean: f32): f32 {
  const meanV = f32x4.splat(mean);
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let tail: f32 = 0;
  let i = 0;
  for (; i + 8 <= n; i += 8) {
    const d0 = f32x4.sub(v128.load(x), meanV);
    const d1 = f32x4.sub(v128.load(x, 16), meanV);
    s0 = f32x4.add(s0, f32x4.mul(d0, d0));
    s1 = f32x4.add(s1, f32x4.mul(d1, d1));
    x += 32;
  }
  for (; i < n; i++) {
    const d = load<f32>(x) - mean;
    tail += d * d;
    x += 4;
  }
  return m.sumLanes(f32x4.add(s0, s1)) + tail;
}

/**
 * e^x as in math.ts, but held between e^−87 and e^88, where one power of two suffices. NaN is lost: what is multiplied with
 * this result keeps it.
 */
// @ts-ignore: decorator
@inline
function boundedExp(x: v128): v128 {
  const clamped = f32x4.pmin(f32x4.splat(88), f32x4.pmax(f32x4.splat(-87), x));
  const shifted = f32x4.add(f32x4.mul(clamped, f32x4.splat(1.44269504)), f32x4.splat(m.ROUND));
  const n = f32x4.sub(shifted, f32x4.splat(m.ROUND));
  const y = m.expOfRest(clamped, n);
  return f32x4.mul(y, i32x4.shl(i32x4.add(shifted, i32x4.splat(0x7f - 0x4b400000)), 23));
}

/** σ(x) */
// @ts-ignore: decorator
@inline
function logistic(x: v128): v128 {
  const one = f32x4.splat(1);
  return f32x4.div(one, f32x4.add(one, boundedExp(f32x4.neg(x))));
}

/** What x is multiplied with: σ(1.702 x), σ(2u) with u = √(2/π)(x + 0.044715 x³), or Φ(x). density = e^(−x²/2). */
// @ts-ignore: decorator
@inline
function gate(x: v128, density: v128, kind: i32): v128 {
  const one = f32x4.splat(1);
  if (kind == GeluKind.quick_gelu) return logistic(f32x4.mul(x, f32x4.splat(1.702)));
  if (kind == GeluKind.gelu_tanh) {
    const cube = f32x4.add(f32x4.mul(f32x4.mul(x, x), f32x4.splat(0.044715)), one);
    return logistic(f32x4.mul(f32x4.mul(x, cube), f32x4.splat(1.5957691216)));
  }
  // Abramowitz & Stegun 7.1.26: erfc(z) = t(a1 + t(a2 + …))·e^(−z²), t = 1/(1 + pz), z = |x|/√2, to 1.5e−7.
  const t = f32x4.div(one, f32x4.add(one, f32x4.mul(f32x4.abs(x), f32x4.splat(0.23164189))));
  let y = f32x4.splat(1.061405429);
  y = f32x4.add(f32x4.mul(y, t), f32x4.splat(-1.453152027));
  y = f32x4.add(f32x4.mul(y, t), f32x4.splat(1.421413741));
  y = f32x4.add(f32x4.mul(y, t), f32x4.splat(-0.284496736));
  y = f32x4.add(f32x4.mul(y, t), f32x4.splat(0.254829592));
  const tail = f32x4.mul(f32x4.mul(f32x4.mul(y, t), density), f32x4.splat(0.5)); // Φ(−|x|)
  return v128.bitselect(tail, f32x4.sub(one, tail), f32x4.lt(x, f32x4.splat(0)));
}

/** d(x·gate)/dx */
// @ts-ignore: decorator
@inline
function slope(x: v128, open: v128, density: v128, kind: i32): v128 {
  if (kind == GeluKind.gelu) return f32x4.add(open, f32x4.mul(f32x4.mul(x, density), f32x4.splat(0.3989422804)));
  const rising = f32x4.mul(f32x4.mul(x, open), f32x4.sub(f32x4.splat(1), open));
  if (kind == GeluKind.quick_gelu) return f32x4.add(open, f32x4.mul(rising, f32x4.splat(1.702)));
  const inner = f32x4.add(f32x4.mul(f32x4.mul(x, x), f32x4.splat(0.134145)), f32x4.splat(1));
  return f32x4.add(open, f32x4.mul(f32x4.mul(rising, inner), f32x4.splat(1.5957691216)));
}

// @ts-ignore: decorator
@inline
function geluLoop(y: usize, dydx: usize, x: usize, n: i32, kind: i32): void {
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const v = v128.load(x);
    const density = kind == GeluKind.gelu ? boundedExp(f32x4.mul(f32x4.mul(v, v), f32x4.splat(-0.5))) : v;
    const open = gate(v, density, kind);
    v128.store(y, f32x4.mul(v, open));
    v128.store(dydx, slope(v, open, density, kind));
    y += 16;
    dydx += 16;
    x += 16;
  }
  if (i < n) {
    const v = m.loadTail(x, n - i);
    const density = kind == GeluKind.gelu ? boundedExp(f32x4.mul(f32x4.mul(v, v), f32x4.splat(-0.5))) : v;
    const open = gate(v, density, kind);
    m.storeTail(y, f32x4.mul(v, open), n - i);
    m.storeTail(dydx, slope(v, open, density, kind), n - i);
  }
}

/** y = gelu(x) and its derivative there, which share their exponential. Either may be x. */
export function geluSlope(y: usize, dydx: usize, x: usize, n: i32, kind: i32): void {
  if (kind == GeluKind.quick_gelu) geluLoop(y, dydx, x, n, GeluKind.quick_gelu);
  else if (kind == GeluKind.gelu_tanh) geluLoop(y, dydx, x, n, GeluKind.gelu_tanh);
  else geluLoop(y, dydx, x, n, GeluKind.gelu);
}
