// Whole layers in a few passes: batch normalisation, average pooling, Adam.
import * as m from "./math";
import { sumColumns } from "./reduce";

/**
 * Batch statistics of x [rows, C]: mean and biased variance, the latter as the mean of squared deviations from the mean
 * (E[x²] − E[x]² cancels). scratch holds C floats.
 */
export function moments(x: usize, mean: usize, variance: usize, scratch: usize, rows: i32, C: i32): void {
  const inverse: f32 = <f32>(1.0 / <f64>rows);
  const bytes = (<usize>C) << 2;
  sumColumns(mean, x, scratch, 1, rows, C, inverse);
  memory.fill(variance, 0, bytes);
  for (let r = 0; r < rows; r += m.ROWS_OF_SUM) {
    const last = min(r + m.ROWS_OF_SUM, rows);
    memory.fill(scratch, 0, bytes);
    for (let k = r; k < last; k++) {
      let i = 0;
      for (; i + 4 <= C; i += 4) {
        const o = (<usize>i) << 2;
        const d = f32x4.sub(v128.load(x + o), v128.load(mean + o));
        v128.store(scratch + o, f32x4.add(v128.load(scratch + o), f32x4.mul(d, d)));
      }
      for (; i < C; i++) {
        const o = (<usize>i) << 2;
        const d = load<f32>(x + o) - load<f32>(mean + o);
        store<f32>(scratch + o, load<f32>(scratch + o) + d * d);
      }
      x += bytes;
    }
    for (let i = 0; i < C; i++) {
      const o = (<usize>i) << 2;
      store<f32>(variance + o, load<f32>(variance + o) + load<f32>(scratch + o));
    }
  }
  for (let i = 0; i < C; i++) {
    const o = (<usize>i) << 2;
    store<f32>(variance + o, load<f32>(variance + o) * inverse);
  }
}

/** y = (x − centre)·scale + shift per channel, then max(·, 0) when relu. x, y [rows, C]. */
export function affine(y: usize, x: usize, centre: usize, scale: usize, shift: usize, rows: i32, C: i32, relu: i32): void {
  const floor = f32x4.splat(relu ? 0 : -Infinity);
  const bytes = (<usize>C) << 2;
  for (let r = 0; r < rows; r++) {
    let i = 0;
    for (; i + 4 <= C; i += 4) {
      const o = (<usize>i) << 2;
      const d = f32x4.sub(v128.load(x + o), v128.load(centre + o));
      v128.store(y + o, f32x4.max(f32x4.add(f32x4.mul(d, v128.load(scale + o)), v128.load(shift + o)), floor));
    }
    if (i < C) {
      const o = (<usize>i) << 2;
      const n = C - i;
      const d = f32x4.sub(m.loadTail(x + o, n), m.loadTail(centre + o, n));
      const v = f32x4.add(f32x4.mul(d, m.loadTail(scale + o, n)), m.loadTail(shift + o, n));
      m.storeTail(y + o, f32x4.max(v, floor), n);
    }
    x += bytes;
    y += bytes;
  }
}

// @ts-ignore: decorator
@inline
function masked(dy: v128, y: v128, relu: i32): v128 {
  return relu ? v128.and(dy, f32x4.gt(y, f32x4.splat(0))) : dy;
}

/**
 * Sums the backward pass needs: dbeta = Σ dy, dgamma = Σ dy·(x − mean)·inverseStd, dy counted only where y > 0 when relu.
 * scratch holds 2·C floats.
 */
export function batchNormSums(
  dbeta: usize, dgamma: usize, dy: usize, x: usize, y: usize, mean: usize, inverseStd: usize, scratch: usize,
  rows: i32, C: i32, relu: i32,
): void {
  const bytes = (<usize>C) << 2;
  const second = scratch + bytes;
  memory.fill(dbeta, 0, bytes);
  memory.fill(dgamma, 0, bytes);
  for (let r = 0; r < rows; r += m.ROWS_OF_SUM) {
    const last = min(r + m.ROWS_OF_SUM, rows);
    memory.fill(scratch, 0, bytes << 1);
    for (let k = r; k < last; k++) {
      let i = 0;
      for (; i + 4 <= C; i += 4) {
        const o = (<usize>i) << 2;
        const g = masked(v128.load(dy + o), v128.load(y + o), relu);
        const d = f32x4.sub(v128.load(x + o), v128.load(mean + o));
        v128.store(scratch + o, f32x4.add(v128.load(scratch + o), g));
        v128.store(second + o, f32x4.add(v128.load(second + o), f32x4.mul(g, d)));
      }
      for (; i < C; i++) {
        const o = (<usize>i) << 2;
        const g: f32 = relu && !(load<f32>(y + o) > 0) ? 0 : load<f32>(dy + o);
        store<f32>(scratch + o, load<f32>(scratch + o) + g);
        store<f32>(second + o, load<f32>(second + o) + g * (load<f32>(x + o) - load<f32>(mean + o)));
      }
      dy += bytes;
      x += bytes;
      y += bytes;
    }
    for (let i = 0; i < C; i++) {
      const o = (<usize>i) << 2;
      store<f32>(dbeta + o, load<f32>(dbeta + o) + load<f32>(scratch + o));
      store<f32>(dgamma + o, load<f32>(dgamma + o) + load<f32>(second + o));
    }
  }
  for (let i = 0; i < C; i++) {
    const o = (<usize>i) << 2;
    store<f32>(dgamma + o, load<f32>(dgamma + o) * load<f32>(inverseStd + o));
  }
}

/**
 * dx = gamma·inverseStd·(dy − dbeta/rows − x̂·dgamma/rows), written as dy·p + (x − mean)·q + s with p, q, s per channel.
 */
export function batchNormInputGrad(
  dx: usize, dy: usize, x: usize, y: usize, mean: usize, p: usize, q: usize, s: usize, rows: i32, C: i32, relu: i32,
): void {
  const bytes = (<usize>C) << 2;
  for (let r = 0; r < rows; r++) {
    let i = 0;
    for (; i + 4 <= C; i += 4) {
      const o = (<usize>i) << 2;
      const g = masked(v128.load(dy + o), v128.load(y + o), relu);
      const d = f32x4.sub(v128.load(x + o), v128.load(mean + o));
      const v = f32x4.add(f32x4.mul(g, v128.load(p + o)), f32x4.add(f32x4.mul(d, v128.load(q + o)), v128.load(s + o)));
      v128.store(dx + o, v);
    }
    for (; i < C; i++) {
      const o = (<usize>i) << 2;
      const g: f32 = relu && !(load<f32>(y + o) > 0) ? 0 : load<f32>(dy + o);
      const d = load<f32>(x + o) - load<f32>(mean + o);
      store<f32>(dx + o, g * load<f32>(p + o) + (d * load<f32>(q + o) + load<f32>(s + o)));
    }
    dx += bytes;
    dy += bytes;
    x += bytes;
    y += bytes;
  }
}

/**
 * Average pooling of one NHWC batch; windows are clipped to the image and averaged over what is left of them.
 * `p`: batch, H, W, C, outH, outW, kh, kw, strideH, strideW, padTop, padLeft. backward = 0: y [pooled] from x [image];
 * 1: x is the (zeroed) gradient of the image, y the gradient of the pooled map, spread over the windows.
 */
export function averagePool(y: usize, x: usize, p: usize, backward: i32): void {
  const N = load<i32>(p), H = load<i32>(p, 4), W = load<i32>(p, 8), C = load<i32>(p, 12);
  const outH = load<i32>(p, 16), outW = load<i32>(p, 20), kh = load<i32>(p, 24), kw = load<i32>(p, 28);
  const sh = load<i32>(p, 32), sw = load<i32>(p, 36), top = load<i32>(p, 40), left = load<i32>(p, 44);
  const bytes = (<usize>C) << 2;
  for (let b = 0; b < N; b++) {
    for (let oy = 0; oy < outH; oy++) {
      const y0 = max(oy * sh - top, 0);
      const y1 = min(oy * sh - top + kh, H);
      for (let ox = 0; ox < outW; ox++) {
        const x0 = max(ox * sw - left, 0);
        const x1 = min(ox * sw - left + kw, W);
        const share: f32 = 1 / <f32>((y1 - y0) * (x1 - x0));
        if (backward == 0) memory.fill(y, 0, bytes);
        for (let iy = y0; iy < y1; iy++) {
          for (let ix = x0; ix < x1; ix++) {
            const at = x + (<usize>(iy * W + ix)) * bytes;
            if (backward) addScaled(at, y, C, share);
            else addScaled(y, at, C, share);
          }
        }
        y += bytes;
      }
    }
    x += (<usize>(H * W)) * bytes;
  }
}

// @ts-ignore: decorator
@inline
function addScaled(y: usize, x: usize, n: i32, factor: f32): void {
  const f = f32x4.splat(factor);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    v128.store(y, f32x4.add(v128.load(y), f32x4.mul(v128.load(x), f)));
    x += 16;
    y += 16;
  }
  if (i < n) m.storeTail(y, f32x4.add(m.loadTail(y, n - i), f32x4.mul(m.loadTail(x, n - i), f)), n - i);
}

/**
 * One Adam step over n parameters, in place. coupled = L2 decay added to the gradient; keep = 1 − lr·decay multiplies the
 * weight (decoupled decay, AdamW). stepSize = lr / (1 − β1^t), rootCorrection = 1 / √(1 − β2^t), as torch computes it:
 * w −= stepSize · m / (√v · rootCorrection + ε). rest1 = 1 − β1 and rest2 = 1 − β2, rounded once from double.
 */
export function adamStep(
  w: usize, g: usize, mean: usize, square: usize, n: i32,
  rest1: f32, beta2: f32, rest2: f32, epsilon: f32, stepSize: f32, rootCorrection: f32, coupled: f32, keep: f32,
): void {
  const b1 = f32x4.splat(rest1);
  const b2 = f32x4.splat(beta2);
  const b2rest = f32x4.splat(rest2);
  const eps = f32x4.splat(epsilon);
  const size = f32x4.splat(stepSize);
  const root = f32x4.splat(rootCorrection);
  const l2 = f32x4.splat(coupled);
  const kept = f32x4.splat(keep);
  for (let i = 0; i < n; i += 4) {
    const left = n - i;
    const full = left >= 4;
    let weight = full ? v128.load(w) : m.loadTail(w, left);
    let grad = full ? v128.load(g) : m.loadTail(g, left);
    let mu = full ? v128.load(mean) : m.loadTail(mean, left);
    let nu = full ? v128.load(square) : m.loadTail(square, left);
    grad = f32x4.add(grad, f32x4.mul(weight, l2));
    weight = f32x4.mul(weight, kept);
    mu = f32x4.add(mu, f32x4.mul(f32x4.sub(grad, mu), b1));
    nu = f32x4.add(f32x4.mul(nu, b2), f32x4.mul(f32x4.mul(grad, grad), b2rest));
    const denominator = f32x4.add(f32x4.mul(f32x4.sqrt(nu), root), eps);
    weight = f32x4.sub(weight, f32x4.mul(size, f32x4.div(mu, denominator)));
    if (full) {
      v128.store(w, weight);
      v128.store(mean, mu);
      v128.store(square, nu);
    } else {
      m.storeTail(w, weight, left);
      m.storeTail(mean, mu, left);
      m.storeTail(square, nu, left);
    }
    w += 16;
    g += 16;
    mean += 16;
    square += 16;
  }
}
