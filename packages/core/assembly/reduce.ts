// Reductions of [outer, reduced, inner] maps and the row-wise softmax.
import * as m from "./math";

/** y[i] = scale · Σ_j x[i, j]; four running vectors, so about 16 partial sums per row. */
export function sumRows(y: usize, x: usize, rows: i32, n: i32, scale: f32): void {
  for (let r = 0; r < rows; r++) {
    let s0 = f32x4.splat(0);
    let s1 = f32x4.splat(0);
    let s2 = f32x4.splat(0);
    let s3 = f32x4.splat(0);
    let total: f32 = 0;
    let i = 0;
    let sinceFlush = 0;
    for (; i + 16 <= n; i += 16) {
      s0 = f32x4.add(s0, v128.load(x));
      s1 = f32x4.add(s1, v128.load(x, 16));
      s2 = f32x4.add(s2, v128.load(x, 32));
      s3 = f32x4.add(s3, v128.load(x, 48));
      x += 64;
      if (++sinceFlush == 256) {
        total += m.sumLanes(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
        s0 = f32x4.splat(0);
        s1 = s0;
        s2 = s0;
        s3 = s0;
        sinceFlush = 0;
      }
    }
    for (; i + 4 <= n; i += 4) {
      s0 = f32x4.add(s0, v128.load(x));
      x += 16;
    }
    if (i < n) {
      s1 = f32x4.add(s1, m.loadTail(x, n - i));
      x += (<usize>(n - i)) << 2;
    }
    total += m.sumLanes(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
    store<f32>(y, total * scale);
    y += 4;
  }
}

// @ts-ignore: decorator
@inline
function extreme(a: v128, b: v128, minimum: bool): v128 {
  return minimum ? f32x4.min(a, b) : f32x4.max(a, b);
}

// @ts-ignore: decorator
@inline
function extremeRow(x: usize, n: i32, minimum: bool): f32 {
  let best = load<f32>(x);
  let i = 0;
  if (n >= 16) {
    // Four independent chains: max is several instructions deep, for NaN's sake.
    let v0 = v128.load(x);
    let v1 = v128.load(x, 16);
    let v2 = v128.load(x, 32);
    let v3 = v128.load(x, 48);
    for (i = 16; i + 16 <= n; i += 16) {
      const p = x + ((<usize>i) << 2);
      v0 = extreme(v0, v128.load(p), minimum);
      v1 = extreme(v1, v128.load(p, 16), minimum);
      v2 = extreme(v2, v128.load(p, 32), minimum);
      v3 = extreme(v3, v128.load(p, 48), minimum);
    }
    const v = extreme(extreme(v0, v1, minimum), extreme(v2, v3, minimum), minimum);
    best = minimum
      ? min(min(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)), min(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)))
      : m.maxLanes(v);
  }
  for (; i < n; i++) {
    const value = load<f32>(x + ((<usize>i) << 2));
    best = minimum ? min(best, value) : max(best, value);
  }
  return best;
}

/** y[i] = max (or min) of row i. */
export function extremeRows(y: usize, x: usize, rows: i32, n: i32, minimum: i32): void {
  for (let r = 0; r < rows; r++) {
    store<f32>(y, minimum ? extremeRow(x, n, true) : extremeRow(x, n, false));
    x += (<usize>n) << 2;
    y += 4;
  }
}

/**
 * y[o, c] = scale · Σ_r x[o, r, c] for x [outer, reduced, inner]; scratch holds `inner` floats. Blocks of rows are summed
 * first, then the blocks.
 */
export function sumColumns(y: usize, x: usize, scratch: usize, outer: i32, reduced: i32, inner: i32, scale: f32): void {
  const bytes = (<usize>inner) << 2;
  for (let o = 0; o < outer; o++) {
    memory.fill(y, 0, bytes);
    for (let r = 0; r < reduced; r += m.ROWS_OF_SUM) {
      const last = min(r + m.ROWS_OF_SUM, reduced);
      memory.fill(scratch, 0, bytes);
      for (let k = r; k < last; k++) {
        accumulate(scratch, x, inner);
        x += bytes;
      }
      accumulate(y, scratch, inner);
    }
    const factor = f32x4.splat(scale);
    let i = 0;
    for (; i + 4 <= inner; i += 4) {
      const p = y + ((<usize>i) << 2);
      v128.store(p, f32x4.mul(v128.load(p), factor));
    }
    for (; i < inner; i++) {
      const p = y + ((<usize>i) << 2);
      store<f32>(p, load<f32>(p) * scale);
    }
    y += bytes;
  }
}

/** y += x for n floats. */
export function accumulate(y: usize, x: usize, n: i32): void {
  m.addRun(y, x, n);
}

// @ts-ignore: decorator
@inline
function extremeOnto(y: usize, x: usize, n: i32, minimum: bool): void {
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    v128.store(y, extreme(v128.load(y), v128.load(x), minimum));
    x += 16;
    y += 16;
  }
  if (i < n) m.storeTail(y, extreme(m.loadTail(y, n - i), m.loadTail(x, n - i), minimum), n - i);
}

/** y[o, c] = max or min over r of x[o, r, c]. */
export function extremeColumns(y: usize, x: usize, outer: i32, reduced: i32, inner: i32, minimum: i32): void {
  const bytes = (<usize>inner) << 2;
  for (let o = 0; o < outer; o++) {
    memory.copy(y, x, bytes);
    x += bytes;
    for (let r = 1; r < reduced; r++) {
      if (minimum) extremeOnto(y, x, inner, true);
      else extremeOnto(y, x, inner, false);
      x += bytes;
    }
    y += bytes;
  }
}

/** Row-wise softmax: the maximum is subtracted first. */
export function softmax(y: usize, x: usize, rows: i32, n: i32): void {
  for (let r = 0; r < rows; r++) {
    const shift = f32x4.splat(extremeRow(x, n, false));
    let sum = f32x4.splat(0);
    let tail: f32 = 0;
    let i = 0;
    for (; i + 4 <= n; i += 4) {
      const o = (<usize>i) << 2;
      const e = m.exp(f32x4.sub(v128.load(x + o), shift));
      v128.store(y + o, e);
      sum = f32x4.add(sum, e);
    }
    for (; i < n; i++) {
      const o = (<usize>i) << 2;
      const e = f32x4.extract_lane(m.exp(f32x4.sub(f32x4.splat(load<f32>(x + o)), shift)), 0);
      store<f32>(y + o, e);
      tail += e;
    }
    const total = m.sumLanes(sum) + tail;
    const divisor = f32x4.splat(total);
    for (i = 0; i + 4 <= n; i += 4) {
      const p = y + ((<usize>i) << 2);
      v128.store(p, f32x4.div(v128.load(p), divisor));
    }
    for (; i < n; i++) {
      const p = y + ((<usize>i) << 2);
      store<f32>(p, load<f32>(p) / total);
    }
    x += (<usize>n) << 2;
    y += (<usize>n) << 2;
  }
}
