// Moving 32-bit values between layouts: transposes, slices, padding, tiling, convolution columns.
import { addRun, turn } from "./math";

// @ts-ignore: decorator
@inline
function copyRun(y: usize, x: usize, n: i32): void {
  if (n >= 32) {
    memory.copy(y, x, (<usize>n) << 2);
    return;
  }
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    v128.store(y, v128.load(x));
    x += 16;
    y += 16;
  }
  for (; i < n; i++) {
    store<u32>(y, load<u32>(x));
    x += 4;
    y += 4;
  }
}

/**
 * y[Σ index·yStride] = x[Σ index·xStride] over a 5-D index space. `p` points at 15 int32: sizes, strides of y, strides of x
 * (in values, outermost first; strides may be 0 or negative).
 */
export function stridedCopy(y: usize, x: usize, p: usize): void {
  const n0 = load<i32>(p), n1 = load<i32>(p, 4), n2 = load<i32>(p, 8), n3 = load<i32>(p, 12), n4 = load<i32>(p, 16);
  const y0 = load<i32>(p, 20) << 2, y1 = load<i32>(p, 24) << 2, y2 = load<i32>(p, 28) << 2;
  const y3 = load<i32>(p, 32) << 2, y4 = load<i32>(p, 36) << 2;
  const x0 = load<i32>(p, 40) << 2, x1 = load<i32>(p, 44) << 2, x2 = load<i32>(p, 48) << 2;
  const x3 = load<i32>(p, 52) << 2, x4 = load<i32>(p, 56) << 2;
  for (let i0 = 0; i0 < n0; i0++) {
    for (let i1 = 0; i1 < n1; i1++) {
      for (let i2 = 0; i2 < n2; i2++) {
        const ys = y + i0 * y0 + i1 * y1 + i2 * y2;
        const xs = x + i0 * x0 + i1 * x1 + i2 * x2;
        if (x4 == 4 && y4 == 4) {
          for (let i3 = 0; i3 < n3; i3++) copyRun(ys + i3 * y3, xs + i3 * x3, n4);
        } else if (x3 == 4 && y4 == 4 && n3 >= 4 && n4 >= 4) {
          transposeTiles(ys, xs, n3, n4, y3, x4);
        } else {
          for (let i3 = 0; i3 < n3; i3++) {
            let yp = ys + i3 * y3;
            let xp = xs + i3 * x3;
            for (let i4 = 0; i4 < n4; i4++) {
              store<u32>(yp, load<u32>(xp));
              yp += y4;
              xp += x4;
            }
          }
        }
      }
    }
  }
}

/** y[i, j] = x[j, i]: rows of y are `yRow` bytes apart, rows of x `xRow`; 4×4 blocks in registers. */
function transposeTiles(y: usize, x: usize, rows: i32, columns: i32, yRow: i32, xRow: i32): void {
  const fullColumns = columns & ~3;
  const fullRows = rows & ~3;
  for (let jj = 0; jj < fullColumns; jj += 16) {
    const jEnd = min(jj + 16, fullColumns);
    for (let i = 0; i < fullRows; i += 4) {
      for (let j = jj; j < jEnd; j += 4) {
        turn(y + i * yRow + (j << 2), yRow, x + j * xRow + (i << 2), xRow);
      }
    }
  }
  for (let i = 0; i < rows; i++) {
    for (let j = i < fullRows ? fullColumns : 0; j < columns; j++) {
      store<u32>(y + i * yRow + (j << 2), load<u32>(x + j * xRow + (i << 2)));
    }
  }
}

/** y[i, :] = x[index[i], :] for rows of n values. */
export function gatherRows(y: usize, x: usize, index: usize, rows: i32, n: i32): void {
  for (let i = 0; i < rows; i++) {
    copyRun(y, x + (<usize>load<i32>(index + ((<usize>i) << 2)) * <usize>n << 2), n);
    y += (<usize>n) << 2;
  }
}

/** y[index[i], :] += x[i, :]; negative indices are skipped. */
export function scatterAddRows(y: usize, x: usize, index: usize, rows: i32, n: i32): void {
  for (let i = 0; i < rows; i++) {
    const target = load<i32>(index + ((<usize>i) << 2));
    if (target >= 0) addRun(y + (<usize>target * <usize>n << 2), x, n);
    x += (<usize>n) << 2;
  }
}

// @ts-ignore: decorator
@inline
function zeroRun(y: usize, n: i32): void {
  memory.fill(y, 0, (<usize>n) << 2);
}

/**
 * The patches of a convolution as rows: columns[(row, x), ky, kx, c] = image[row·stride − pad + ky·dilation, …, c], zero
 * outside. x is one NHWC batch; output rows `from` … `to` (counted over batch × output height) are written.
 * `p`: H, W, C, outH, outW, kh, kw, strideH, strideW, padTop, padLeft, dilationH, dilationW.
 */
export function im2col(columns: usize, x: usize, from: i32, to: i32, p: usize): void {
  const H = load<i32>(p), W = load<i32>(p, 4), C = load<i32>(p, 8), outH = load<i32>(p, 12), outW = load<i32>(p, 16);
  const kh = load<i32>(p, 20), kw = load<i32>(p, 24), sh = load<i32>(p, 28), sw = load<i32>(p, 32);
  const top = load<i32>(p, 36), left = load<i32>(p, 40), dh = load<i32>(p, 44), dw = load<i32>(p, 48);
  const rowValues = kw * C;
  for (let row = from; row < to; row++) {
    const image = x + (<usize>(row / outH) * <usize>(H * W * C) << 2);
    const y0 = (row % outH) * sh - top;
    for (let ox = 0; ox < outW; ox++) {
      const x0 = ox * sw - left;
      for (let ky = 0; ky < kh; ky++) {
        const iy = y0 + ky * dh;
        if (iy < 0 || iy >= H) {
          zeroRun(columns, rowValues);
        } else if (dw == 1 && x0 >= 0 && x0 + kw <= W) {
          copyRun(columns, image + (<usize>((iy * W + x0) * C) << 2), rowValues);
        } else {
          for (let kx = 0; kx < kw; kx++) {
            const ix = x0 + kx * dw;
            const at = columns + (<usize>(kx * C) << 2);
            if (ix < 0 || ix >= W) zeroRun(at, C);
            else copyRun(at, image + (<usize>((iy * W + ix) * C) << 2), C);
          }
        }
        columns += (<usize>rowValues) << 2;
      }
    }
  }
}

/** The transpose of im2col: adds every column back onto the (zeroed) image it came from. Same parameters. */
export function col2im(x: usize, columns: usize, from: i32, to: i32, p: usize): void {
  const H = load<i32>(p), W = load<i32>(p, 4), C = load<i32>(p, 8), outH = load<i32>(p, 12), outW = load<i32>(p, 16);
  const kh = load<i32>(p, 20), kw = load<i32>(p, 24), sh = load<i32>(p, 28), sw = load<i32>(p, 32);
  const top = load<i32>(p, 36), left = load<i32>(p, 40), dh = load<i32>(p, 44), dw = load<i32>(p, 48);
  for (let row = from; row < to; row++) {
    const image = x + (<usize>(row / outH) * <usize>(H * W * C) << 2);
    const y0 = (row % outH) * sh - top;
    for (let ox = 0; ox < outW; ox++) {
      const x0 = ox * sw - left;
      for (let ky = 0; ky < kh; ky++) {
        const iy = y0 + ky * dh;
        if (iy >= 0 && iy < H) {
          for (let kx = 0; kx < kw; kx++) {
            const ix = x0 + kx * dw;
            if (ix >= 0 && ix < W) {
              addRun(image + (<usize>((iy * W + ix) * C) << 2), columns + (<usize>(kx * C) << 2), C);
            }
          }
        }
        columns += (<usize>(kw * C)) << 2;
      }
    }
  }
}
