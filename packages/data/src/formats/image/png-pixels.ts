import { VillaError } from "../../errors.ts";

/** What a PNG's header says. */
export interface PngHeader {
  readonly width: number;
  readonly height: number;
  /** Bits of a sample. */
  readonly depth: number;
  /** Samples of a pixel: 1 grey or palette, 2 with transparency, 3 colour, 4 with transparency. */
  readonly samples: number;
  readonly indexed: boolean;
  readonly interlaced: boolean;
}

/** A reduced image: pixels (x0 + i·dx, y0 + j·dy). */
export interface PngPass {
  readonly x0: number;
  readonly y0: number;
  readonly dx: number;
  readonly dy: number;
  readonly width: number;
  readonly height: number;
}

/** Adam7's seven passes: x0, y0, dx, dy. */
const adam7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

/** The passes that have pixels: one for an image that is not interlaced. */
export function pngPasses({ width, height, interlaced }: PngHeader): PngPass[] {
  if (!interlaced) return [{ x0: 0, y0: 0, dx: 1, dy: 1, width, height }];
  return adam7
    .map(([x0, y0, dx, dy]) => ({
      x0,
      y0,
      dx,
      dy,
      width: Math.ceil((width - x0) / dx),
      height: Math.ceil((height - y0) / dy),
    }))
    .filter((pass) => pass.width > 0 && pass.height > 0);
}

/** Bytes of all passes before compression: each row has one byte for its filter. */
export function rawSize(header: PngHeader): number {
  return pngPasses(header).reduce((sum, { width, height }) => sum + height * (1 + rowBytes(header, width)), 0);
}

function rowBytes({ depth, samples }: PngHeader, width: number): number {
  return Math.ceil((width * samples * depth) / 8);
}

/** @throws VillaError `InvalidFile` where pixels are places in a palette that is not there */
export function checkPalette({ indexed }: PngHeader, palette: Uint8Array | undefined): void {
  if (indexed && (!palette || palette.length === 0 || palette.length % 3 !== 0 || palette.length > 768)) {
    throw damaged("it has no palette");
  }
}

/** Undoes the filters of a pass in place and hands on its rows. Returns where the next pass begins. */
function eachRow(
  header: PngHeader,
  raw: Uint8Array,
  { start, pass, spread }: { start: number; pass: PngPass; spread: (row: Uint8Array, j: number) => void },
): number {
  const length = rowBytes(header, pass.width);
  const pixelBytes = Math.max(1, (header.samples * header.depth) >> 3);
  let previous = new Uint8Array(length);
  let at = start;
  for (let j = 0; j < pass.height; j++) {
    const row = raw.subarray(at + 1, at + 1 + length);
    unfilter(raw[at]!, row, previous, pixelBytes);
    spread(row, j);
    previous = row as Uint8Array<ArrayBuffer>;
    at += 1 + length;
  }
  return at;
}

/** Puts filtered rows into a label map. */
export class PngLabels {
  /** [height, width] */
  readonly values: Uint32Array;
  readonly #header: PngHeader;

  constructor(header: PngHeader) {
    this.#header = header;
    this.values = new Uint32Array(header.width * header.height);
  }

  /** Undoes the filters of a pass in place and spreads its samples. Returns where the next pass begins. */
  addPass(raw: Uint8Array, start: number, pass: PngPass): number {
    return eachRow(this.#header, raw, { start, pass, spread: (row, j) => this.#spread(row, pass, j) });
  }

  #spread(row: Uint8Array, { x0, y0, dx, dy, width: count }: PngPass, j: number): void {
    const { width, depth, samples } = this.#header;
    const step = (samples * depth) >> 3;
    let to = (y0 + j * dy) * width + x0;
    for (let i = 0; i < count; i++, to += dx) {
      const from = i * step;
      if (depth < 8) {
        const bit = i * depth;
        this.values[to] = (row[bit >> 3]! >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
      } else if (depth === 16) this.values[to] = (row[from]! << 8) | row[from + 1]!;
      else if (samples < 3) this.values[to] = row[from]!;
      else this.values[to] = row[from]! | (row[from + 1]! << 8) | (row[from + 2]! << 16);
    }
  }
}

/** Puts filtered rows into an RGB image. */
export class PngPixels {
  /** [3, height, width] */
  readonly rgb: Uint8Array;
  readonly #header: PngHeader;
  readonly #palette: Uint8Array | undefined;

  constructor(header: PngHeader, palette: Uint8Array | undefined) {
    this.#header = header;
    this.#palette = header.indexed ? palette : undefined;
    this.rgb = new Uint8Array(3 * header.width * header.height);
  }

  /** Undoes the filters of a pass in place and spreads its pixels. Returns where the next pass begins. */
  addPass(raw: Uint8Array, start: number, pass: PngPass): number {
    return eachRow(this.#header, raw, { start, pass, spread: (row, j) => this.#spread(row, pass, j) });
  }

  #spread(row: Uint8Array, { x0, y0, dx, dy, width: count }: PngPass, j: number): void {
    const { width, height, depth, samples } = this.#header;
    const { rgb } = this;
    const palette = this.#palette;
    const plane = width * height;
    let to = (y0 + j * dy) * width + x0;
    const isGrey = samples < 3;
    if (depth < 8) {
      const mask = (1 << depth) - 1;
      const scale = palette ? 1 : 255 / mask;
      for (let i = 0; i < count; i++, to += dx) {
        const bit = i * depth;
        const value = ((row[bit >> 3]! >> (8 - depth - (bit & 7))) & mask) * scale;
        if (palette) this.#setIndexed(palette, value, to);
        else rgb[to] = rgb[to + plane] = rgb[to + 2 * plane] = value;
      }
      return;
    }
    // Of 16-bit samples the upper byte, which comes first.
    const sampleBytes = depth >> 3;
    const step = samples * sampleBytes;
    const [green, blue] = isGrey ? [0, 0] : [sampleBytes, 2 * sampleBytes];
    for (let i = 0, from = 0; i < count; i++, from += step, to += dx) {
      if (palette) {
        this.#setIndexed(palette, row[from]!, to);
        continue;
      }
      rgb[to] = row[from]!;
      rgb[to + plane] = row[from + green]!;
      rgb[to + 2 * plane] = row[from + blue]!;
    }
  }

  #setIndexed(palette: Uint8Array, index: number, to: number): void {
    if (3 * index >= palette.length) throw damaged("a pixel has a colour that its palette lacks");
    const plane = this.#header.width * this.#header.height;
    this.rgb[to] = palette[3 * index]!;
    this.rgb[to + plane] = palette[3 * index + 1]!;
    this.rgb[to + 2 * plane] = palette[3 * index + 2]!;
  }
}

/** Undoes a row's filter: its bytes are differences from those to the left, above, or both. */
function unfilter(filter: number, row: Uint8Array, above: Uint8Array, pixelBytes: number): void {
  const { length } = row;
  switch (filter) {
    case 0:
      return;
    case 1:
      for (let i = pixelBytes; i < length; i++) row[i]! += row[i - pixelBytes]!;
      return;
    case 2:
      for (let i = 0; i < length; i++) row[i]! += above[i]!;
      return;
    case 3:
      for (let i = 0; i < length; i++) row[i]! += ((i < pixelBytes ? 0 : row[i - pixelBytes]!) + above[i]!) >> 1;
      return;
    case 4:
      for (let i = 0; i < length; i++) {
        const left = i < pixelBytes ? 0 : row[i - pixelBytes]!;
        const corner = i < pixelBytes ? 0 : above[i - pixelBytes]!;
        row[i]! += paeth(left, above[i]!, corner);
      }
      return;
    default:
      throw damaged("a row has an unknown filter");
  }
}

function paeth(left: number, above: number, corner: number): number {
  const toLeft = Math.abs(above - corner);
  const toAbove = Math.abs(left - corner);
  const toCorner = Math.abs(left + above - 2 * corner);
  if (toLeft <= toAbove && toLeft <= toCorner) return left;
  return toAbove <= toCorner ? above : corner;
}

function damaged(why: string): VillaError {
  return new VillaError("InvalidFile", `The PNG image is damaged: ${why}.`);
}
