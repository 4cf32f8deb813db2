// Winograd's minimal filtering F(4×4, 3×3) around the products: tiles of an image to the 36 points of the transformed
// domain, and 4 × 4 results back into an image. See Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (2016).

/**
 * Pixels of a result's tile along each axis, points that it has in the transformed domain, and channels that are transformed
 * before they are written, so that whole cache lines go to each of the 36 matrices.
 */
export enum WinogradTile {
  side = 4,
  points = 36,
  lanes = 16,
}

const LANES: i32 = WinogradTile.lanes;
/** Bytes of one row of as many channels. */
const LINE: usize = <usize>LANES << 2;

// @ts-ignore: decorator
@inline
function splat(value: f32): v128 {
  return f32x4.splat(value);
}

/** Bᵀ·d for one line of six points, `step` bytes apart. */
// @ts-ignore: decorator
@inline
function inputPoints(to: usize, d0: v128, d1: v128, d2: v128, d3: v128, d4: v128, d5: v128, step: usize): void {
  const four = splat(4);
  const five = splat(5);
  const even = f32x4.sub(d4, f32x4.mul(d2, four));
  const odd = f32x4.sub(d3, f32x4.mul(d1, four));
  const second = f32x4.sub(d4, d2);
  const twice = f32x4.sub(d3, d1);
  const doubled = f32x4.add(twice, twice);
  v128.store(to, f32x4.add(f32x4.sub(f32x4.mul(d0, four), f32x4.mul(d2, five)), d4));
  v128.store(to + step, f32x4.add(even, odd));
  v128.store(to + 2 * step, f32x4.sub(even, odd));
  v128.store(to + 3 * step, f32x4.add(second, doubled));
  v128.store(to + 4 * step, f32x4.sub(second, doubled));
  v128.store(to + 5 * step, f32x4.add(f32x4.sub(f32x4.mul(d1, four), f32x4.mul(d3, five)), d5));
}

/** A·y for one line of four points, which is the transpose of the result's transform. */
// @ts-ignore: decorator
@inline
function resultPoints(to: usize, y0: v128, y1: v128, y2: v128, y3: v128, step: usize): void {
  const even = f32x4.add(y0, y2);
  const odd = f32x4.add(y1, y3);
  const far = f32x4.add(y0, f32x4.mul(y2, splat(4)));
  const near = f32x4.add(f32x4.add(y1, y1), f32x4.mul(y3, splat(8)));
  v128.store(to, y0);
  v128.store(to + step, f32x4.add(even, odd));
  v128.store(to + 2 * step, f32x4.sub(even, odd));
  v128.store(to + 3 * step, f32x4.add(far, near));
  v128.store(to + 4 * step, f32x4.sub(far, near));
  v128.store(to + 5 * step, y3);
}

/** Addresses of a tile's size × size pixels into `table`; those outside of the image point at `zeros`. */
function tilePixels(
  table: usize, image: usize, y0: i32, x0: i32, size: i32, H: i32, W: i32, bytes: usize, zeros: usize,
): void {
  for (let i = 0; i < size; i++) {
    const y = y0 + i;
    for (let j = 0; j < size; j++) {
      const x = x0 + j;
      const inside = y >= 0 && y < H && x >= 0 && x < W;
      store<usize>(table, inside ? image + (<usize>(y * W + x)) * bytes : zeros);
      table += sizeof<usize>();
    }
  }
}

// @ts-ignore: decorator
@inline
function pixel(table: usize, index: usize, offset: usize): v128 {
  return v128.load(load<usize>(table + index * sizeof<usize>()) + offset);
}

/**
 * Tiles `from` … `to` (counted over batch × tile rows × tile columns) of x, one NHWC batch, as 36 matrices
 * points[36, to − from, C]. backward = 0: Bᵀ·d·B of the 6 × 6 pixels around each 4 × 4 tile; 1: A·d·Aᵀ of the 4 × 4 pixels.
 * `p`: H, W, C, tile rows, tile columns, padTop, padLeft. C must be a multiple of 16. scratch: 36 · 16 · 2 + 36 + C values.
 */
export function winogradPoints(points: usize, x: usize, from: i32, to: i32, p: usize, scratch: usize, backward: i32): void {
  const H = load<i32>(p), W = load<i32>(p, 4), C = load<i32>(p, 8), rows = load<i32>(p, 12), columns = load<i32>(p, 16);
  const top = load<i32>(p, 20), left = load<i32>(p, 24);
  const bytes = (<usize>C) << 2;
  const half = scratch + 36 * LINE;
  const table = half + 36 * LINE;
  const zeros = table + 36 * 4;
  memory.fill(zeros, 0, bytes);
  const matrix = (<usize>(to - from)) * bytes;
  const size = backward ? 4 : 6;
  for (let tile = from; tile < to; tile++) {
    const image = x + <usize>(tile / (rows * columns)) * <usize>(H * W) * bytes;
    const place = tile % (rows * columns);
    tilePixels(table, image, (place / columns) * 4 - top, (place % columns) * 4 - left, size, H, W, bytes, zeros);
    for (let c = 0; c < C; c += LANES) {
      for (let lane: usize = 0; lane < LINE; lane += 16) {
        const at = ((<usize>c) << 2) + lane;
        if (backward) {
          for (let j: usize = 0; j < 4; j++) {
            resultPoints(
              half + j * LINE + lane, pixel(table, j, at), pixel(table, 4 + j, at), pixel(table, 8 + j, at),
              pixel(table, 12 + j, at), 6 * LINE,
            );
          }
          for (let i: usize = 0; i < 6; i++) {
            const line = half + i * 6 * LINE + lane;
            resultPoints(
              scratch + i * 6 * LINE + lane, v128.load(line), v128.load(line, LINE), v128.load(line, 2 * LINE),
              v128.load(line, 3 * LINE), LINE,
            );
          }
        } else {
          for (let j: usize = 0; j < 6; j++) {
            inputPoints(
              half + j * LINE + lane, pixel(table, j, at), pixel(table, 6 + j, at), pixel(table, 12 + j, at),
              pixel(table, 18 + j, at), pixel(table, 24 + j, at), pixel(table, 30 + j, at), 6 * LINE,
            );
          }
          for (let i: usize = 0; i < 6; i++) {
            const line = half + i * 6 * LINE + lane;
            inputPoints(
              scratch + i * 6 * LINE + lane, v128.load(line), v128.load(line, LINE), v128.load(line, 2 * LINE),
              v128.load(line, 3 * LINE), v128.load(line, 4 * LINE), v128.load(line, 5 * LINE), LINE,
            );
          }
        }
      }
      let target = points + ((<usize>c) << 2);
      let source = scratch;
      for (let k = 0; k < 36; k++) {
        v128.store(target, v128.load(source));
        v128.store(target, v128.load(source, 16), 16);
        v128.store(target, v128.load(source, 32), 32);
        v128.store(target, v128.load(source, 48), 48);
        target += matrix;
        source += LINE;
      }
    }
    points += bytes;
  }
}

/**
 * Results [16, to − from, C] of 4 × 4 tiles into y, one NHWC batch, plus a bias per channel (0: none), then max(·, 0) when
 * relu. What lies outside of y is dropped. `p`: H, W, C, tile rows, tile columns of y. C must be a multiple of 4.
 */
export function winogradResults(y: usize, results: usize, from: i32, to: i32, p: usize, bias: usize, relu: i32): void {
  const H = load<i32>(p), W = load<i32>(p, 4), C = load<i32>(p, 8), rows = load<i32>(p, 12), columns = load<i32>(p, 16);
  const bytes = (<usize>C) << 2;
  const matrix = (<usize>(to - from)) * bytes;
  const floor = splat(relu ? 0 : -Infinity);
  for (let tile = from; tile < to; tile++) {
    const image = y + <usize>(tile / (rows * columns)) * <usize>(H * W) * bytes;
    const place = tile % (rows * columns);
    const y0 = (place / columns) * 4;
    const x0 = (place % columns) * 4;
    for (let i = 0; i < 4 && y0 + i < H; i++) {
      for (let j = 0; j < 4 && x0 + j < W; j++) {
        const source = results + (<usize>(i * 4 + j)) * matrix;
        const target = image + (<usize>((y0 + i) * W + x0 + j)) * bytes;
        if (bias) {
          for (let o: usize = 0; o < bytes; o += 16) {
            v128.store(target + o, f32x4.max(f32x4.add(v128.load(source + o), v128.load(bias + o)), floor));
          }
        } else {
          for (let o: usize = 0; o < bytes; o += 16) v128.store(target + o, f32x4.max(v128.load(source + o), floor));
        }
      }
    }
    results += bytes;
  }
}
