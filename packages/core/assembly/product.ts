// Products of matrices: blocked for the caches, cut into parts that threads compute side by side.
//
// Layout: b is packed into panels of 8 columns, [panel][K][8]; a part packs its rows of a into panels of 5 rows,
// [panel][k][5], 256 values of K at a time. A tile of 5 × 8 results then stays in registers (10 of the 16 that x86 has; the
// rest holds two vectors of b, one value of a and a product). See Goto and van de Geijn, Anatomy of High-Performance Matrix
// Multiplication (2008).

import { turn } from "./math";

/** Rows and columns of a tile, and values of K that one block takes: 8 KB of a panel of b, for the first cache. */
export enum ProductTile {
  rows = 5,
  columns = 8,
  depth = 256,
}

const TILE_ROWS: i32 = ProductTile.rows;
const TILE_COLUMNS: i32 = ProductTile.columns;
const BLOCK: i32 = ProductTile.depth;
const TILE_BYTES: usize = <usize>(TILE_ROWS * TILE_COLUMNS) << 2;

/** Where the parameters of a product stand, in int32: see `wasm-products.ts`, which fills them in. */
export enum ProductField {
  M, N, K, a, aRow, aColumn, aBatch, b, bRow, bColumn, bBatch, y, yBatch, panels, bias, relu, add,
  rowsOfPart, panelsOfPart, batchesOfB, scratch, scratchOfWorker,
}

// @ts-ignore: decorator
@inline
function field(p: usize, index: ProductField): i32 {
  return load<i32>(p + ((<usize>index) << 2));
}

// @ts-ignore: decorator
@inline
function multiplyAdd(sum: v128, a: v128, b: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, sum);
  return f32x4.add(sum, f32x4.mul(a, b));
}

/** Packs some panels of b: part = matrix · parts of it + group of `panelsOfPart` panels. */
export function packPart(worker: i32, p: usize, part: i32): void {
  const N = field(p, ProductField.N), K = field(p, ProductField.K);
  const row = field(p, ProductField.bRow), column = field(p, ProductField.bColumn);
  const panels = (N + TILE_COLUMNS - 1) / TILE_COLUMNS;
  const group = field(p, ProductField.panelsOfPart);
  const groups = (panels + group - 1) / group;
  const matrix = part / groups;
  const first = (part % groups) * group;
  const last = min(first + group, panels);
  const b = <usize>field(p, ProductField.b) + ((<usize>matrix * <usize>field(p, ProductField.bBatch)) << 2);
  const panelBytes = (<usize>K) * 32;
  let to = <usize>field(p, ProductField.panels) + <usize>(matrix * panels + first) * panelBytes;
  for (let panel = first; panel < last; panel++) {
    const n = panel * TILE_COLUMNS;
    const width = min(TILE_COLUMNS, N - n);
    const from = b + ((<usize>n * <usize>column) << 2);
    if (width == TILE_COLUMNS && column == 1) packRows(to, from, K, (<usize>row) << 2);
    else if (width == TILE_COLUMNS && row == 1) packColumns(to, from, K, (<usize>column) << 2);
    else packEdge(to, from, K, width, (<usize>row) << 2, (<usize>column) << 2);
    to += panelBytes;
  }
}

// @ts-ignore: decorator
@inline
function packRows(to: usize, from: usize, K: i32, row: usize): void {
  for (let k = 0; k < K; k++) {
    v128.store(to, v128.load(from));
    v128.store(to, v128.load(from, 16), 16);
    to += 32;
    from += row;
  }
}

/** Eight columns whose values lie next to each other along K: 4 × 4 blocks are turned in registers. */
function packColumns(to: usize, from: usize, K: i32, column: usize): void {
  const whole = K & ~3;
  for (let half: usize = 0; half < 2; half++) {
    let at = to + half * 16;
    let source = from + half * 4 * column;
    for (let k = 0; k < whole; k += 4) {
      turn(at, 32, source, column);
      at += 128;
      source += 16;
    }
  }
  packEdge(to + <usize>whole * 32, from + ((<usize>whole) << 2), K - whole, TILE_COLUMNS, 4, column);
}

function packEdge(to: usize, from: usize, K: i32, width: i32, row: usize, column: usize): void {
  for (let k = 0; k < K; k++) {
    let at = from;
    for (let j = 0; j < TILE_COLUMNS; j++) {
      store<f32>(to + ((<usize>j) << 2), j < width ? load<f32>(at) : 0);
      at += column;
    }
    to += 32;
    from += row;
  }
}

/** Rows [first, last) of a, values [k0, k0 + kc) of K, as panels of five rows; missing rows are zeros. */
function packA(to: usize, a: usize, first: i32, last: i32, k0: i32, kc: i32, row: usize, column: usize): void {
  for (let i = first; i < last; i += TILE_ROWS) {
    const rows = min(TILE_ROWS, last - i);
    let from = a + <usize>i * row + <usize>k0 * column;
    if (rows == TILE_ROWS && column == 4) {
      const r1 = row, r2 = 2 * row, r3 = 3 * row, r4 = 4 * row;
      for (let k = 0; k < kc; k++) {
        store<u32>(to, load<u32>(from));
        store<u32>(to, load<u32>(from + r1), 4);
        store<u32>(to, load<u32>(from + r2), 8);
        store<u32>(to, load<u32>(from + r3), 12);
        store<u32>(to, load<u32>(from + r4), 16);
        to += 20;
        from += 4;
      }
    } else if (rows == TILE_ROWS && row == 4) {
      for (let k = 0; k < kc; k++) {
        v128.store(to, v128.load(from));
        store<u32>(to, load<u32>(from, 16), 16);
        to += 20;
        from += column;
      }
    } else {
      for (let k = 0; k < kc; k++) {
        let at = from;
        for (let r = 0; r < TILE_ROWS; r++) {
          store<f32>(to + ((<usize>r) << 2), r < rows ? load<f32>(at) : 0);
          at += row;
        }
        to += 20;
        from += column;
      }
    }
  }
}

/** Results of 5 × 8 over kc values of K, row by row to `to`. */
function tile(to: usize, a: usize, b: usize, kc: i32): void {
  const zero = f32x4.splat(0);
  let c00 = zero, c01 = zero, c10 = zero, c11 = zero, c20 = zero, c21 = zero, c30 = zero, c31 = zero, c40 = zero, c41 = zero;
  for (let k = 0; k < kc; k++) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(a);
    c00 = multiplyAdd(c00, x, b0);
    c01 = multiplyAdd(c01, x, b1);
    x = v128.load32_splat(a, 4);
    c10 = multiplyAdd(c10, x, b0);
    c11 = multiplyAdd(c11, x, b1);
    x = v128.load32_splat(a, 8);
    c20 = multiplyAdd(c20, x, b0);
    c21 = multiplyAdd(c21, x, b1);
    x = v128.load32_splat(a, 12);
    c30 = multiplyAdd(c30, x, b0);
    c31 = multiplyAdd(c31, x, b1);
    x = v128.load32_splat(a, 16);
    c40 = multiplyAdd(c40, x, b0);
    c41 = multiplyAdd(c41, x, b1);
    a += 20;
    b += 32;
  }
  v128.store(to, c00);
  v128.store(to, c01, 16);
  v128.store(to, c10, 32);
  v128.store(to, c11, 48);
  v128.store(to, c20, 64);
  v128.store(to, c21, 80);
  v128.store(to, c30, 96);
  v128.store(to, c31, 112);
  v128.store(to, c40, 128);
  v128.store(to, c41, 144);
}

/** A tile into y: plus what y holds when `add`, plus the bias (0: none), at least `floor`. */
function finish(y: usize, row: usize, t: usize, rows: i32, width: i32, add: bool, bias: usize, floor: f32): void {
  if (width == TILE_COLUMNS) {
    const least = f32x4.splat(floor);
    const zero = f32x4.splat(0);
    const bias0 = bias ? v128.load(bias) : zero;
    const bias1 = bias ? v128.load(bias, 16) : zero;
    for (let i = 0; i < rows; i++) {
      let y0 = f32x4.add(v128.load(t), bias0);
      let y1 = f32x4.add(v128.load(t, 16), bias1);
      if (add) {
        y0 = f32x4.add(y0, v128.load(y));
        y1 = f32x4.add(y1, v128.load(y, 16));
      }
      v128.store(y, f32x4.max(y0, least));
      v128.store(y, f32x4.max(y1, least), 16);
      y += row;
      t += 32;
    }
    return;
  }
  for (let i = 0; i < rows; i++) {
    for (let j: usize = 0; j < <usize>width << 2; j += 4) {
      let value = load<f32>(t + j);
      if (bias) value += load<f32>(bias + j);
      if (add) value += load<f32>(y + j);
      store<f32>(y + j, max(value, floor));
    }
    y += row;
    t += 32;
  }
}

/**
 * Some rows and columns of the product: part = (matrix · row parts + rows) · column parts + columns. b must be packed.
 * Scratch of a worker: a tile and `rowsOfPart` (a multiple of 5) rows of 256 values.
 */
export function productPart(worker: i32, p: usize, part: i32): void {
  const M = field(p, ProductField.M), N = field(p, ProductField.N), K = field(p, ProductField.K);
  const panels = (N + TILE_COLUMNS - 1) / TILE_COLUMNS;
  const rowStep = field(p, ProductField.rowsOfPart), panelStep = field(p, ProductField.panelsOfPart);
  const rowParts = (M + rowStep - 1) / rowStep, columnParts = (panels + panelStep - 1) / panelStep;
  const matrix = part / (rowParts * columnParts);
  const place = part % (rowParts * columnParts);
  const first = (place / columnParts) * rowStep;
  const last = min(first + rowStep, M);
  const firstPanel = (place % columnParts) * panelStep;
  const lastPanel = min(firstPanel + panelStep, panels);

  const a = <usize>field(p, ProductField.a) + ((<usize>matrix * <usize>field(p, ProductField.aBatch)) << 2);
  const y = <usize>field(p, ProductField.y) + ((<usize>matrix * <usize>field(p, ProductField.yBatch)) << 2);
  const row = (<usize>field(p, ProductField.aRow)) << 2, column = (<usize>field(p, ProductField.aColumn)) << 2;
  const yRow = (<usize>N) << 2;
  const panelBytes = (<usize>K) * 32;
  const own = field(p, ProductField.batchesOfB) == 1 ? 0 : matrix;
  const packed = <usize>field(p, ProductField.panels) + <usize>(own * panels) * panelBytes;
  const bias = <usize>field(p, ProductField.bias);
  const add = field(p, ProductField.add) != 0;
  const floor: f32 = field(p, ProductField.relu) ? 0 : -Infinity;
  const t = <usize>field(p, ProductField.scratch) + <usize>worker * <usize>field(p, ProductField.scratchOfWorker);
  const rows = t + TILE_BYTES;

  for (let k0 = 0; k0 < K; k0 += BLOCK) {
    const kc = min(BLOCK, K - k0);
    const isLast = k0 + kc == K;
    packA(rows, a, first, last, k0, kc, row, column);
    for (let panel = firstPanel; panel < lastPanel; panel++) {
      const n = panel * TILE_COLUMNS;
      const width = min(TILE_COLUMNS, N - n);
      const b = packed + <usize>panel * panelBytes + <usize>k0 * 32;
      let at = rows;
      for (let i = first; i < last; i += TILE_ROWS) {
        tile(t, at, b, kc);
        const target = y + <usize>i * yRow + ((<usize>n) << 2);
        const offset = isLast && bias ? bias + ((<usize>n) << 2) : 0;
        finish(target, yRow, t, min(TILE_ROWS, last - i), width, add || k0 > 0, offset, isLast ? floor : -Infinity);
        at += <usize>kc * 20;
      }
    }
  }
}
