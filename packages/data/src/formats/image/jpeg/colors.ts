import type { JpegComponent, JpegFrame } from "./frame.ts";

// Upsampling and colours as libjpeg does them by default ("fancy upsampling"), in its fixed-point numbers.

/** What the application markers say about colours. */
export interface JpegColors {
  readonly hasJfif: boolean;
  /** Adobe's marker: 0 none, 1 YCbCr, 2 YCCK. */
  readonly adobeTransform: number | undefined;
}

/** [3, height, width] from a frame's samples. CMYK is taken as Adobe writes it, inverted, as Pillow does. */
export function toRgb(frame: JpegFrame, colors: JpegColors): Uint8Array {
  const { width, height, components } = frame;
  const plane = width * height;
  const rgb = new Uint8Array(3 * plane);
  const rows = components.map((component) => new Upsampler(component, frame));
  const convert = converter(components, colors);
  for (let y = 0; y < height; y++) {
    const [a, b, c, k] = rows.map((upsampler) => upsampler.row(y)) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    convert(rgb, y * width, plane, width, a, b, c, k);
  }
  return rgb;
}

type Converter = (
  ...args: [
    rgb: Uint8Array,
    at: number,
    plane: number,
    width: number,
    a: Uint8Array,
    b: Uint8Array,
    c: Uint8Array,
    k: Uint8Array,
  ]
) => void;

function converter(components: readonly JpegComponent[], { hasJfif, adobeTransform }: JpegColors): Converter {
  if (components.length === 1) return grey;
  if (components.length === 4) return adobeTransform === undefined || adobeTransform === 0 ? cmyk : ycck;
  if (hasJfif) return ycc;
  if (adobeTransform !== undefined) return adobeTransform === 0 ? plain : ycc;
  const ids = String.fromCharCode(...components.map(({ id }) => id));
  return ids === "RGB" ? plain : ycc;
}

const grey: Converter = (rgb, at, plane, width, a) => {
  for (let c = 0; c < 3; c++) rgb.set(a.subarray(0, width), at + c * plane);
};

const plain: Converter = (rgb, at, plane, width, a, b, c) => {
  rgb.set(a.subarray(0, width), at);
  rgb.set(b.subarray(0, width), at + plane);
  rgb.set(c.subarray(0, width), at + 2 * plane);
};

const ycc: Converter = (rgb, at, plane, width, a, b, c) => {
  for (let i = 0; i < width; i++) {
    const luma = a[i]!;
    const blue = b[i]! - 128;
    const red = c[i]! - 128;
    rgb[at + i] = clamp(luma + ((91_881 * red + 32_768) >> 16));
    rgb[at + i + plane] = clamp(luma + ((-22_554 * blue - 46_802 * red + 32_768) >> 16));
    rgb[at + i + 2 * plane] = clamp(luma + ((116_130 * blue + 32_768) >> 16));
  }
};

const cmyk: Converter = (rgb, at, plane, width, a, b, c, k) => {
  for (let i = 0; i < width; i++) {
    const light = k[i]!;
    rgb[at + i] = clamp(light - scale(255 - a[i]!, light));
    rgb[at + i + plane] = clamp(light - scale(255 - b[i]!, light));
    rgb[at + i + 2 * plane] = clamp(light - scale(255 - c[i]!, light));
  }
};

const ycck: Converter = (rgb, at, plane, width, a, b, c, k) => {
  ycc(rgb, at, plane, width, a, b, c, k);
  for (let i = 0; i < width; i++) {
    const light = k[i]!;
    // Stored are the complements of red, green and blue.
    for (let each = at + i; each < 3 * plane; each += plane) rgb[each] = clamp(light - scale(rgb[each]!, light));
  }
};

function clamp(value: number): number {
  return Math.min(255, Math.max(0, value));
}

/** a · b / 255, rounded. */
function scale(a: number, b: number): number {
  const product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

/** Rows of a component at the image's full size. */
class Upsampler {
  readonly #component: JpegComponent;
  readonly #across: number;
  readonly #down: number;
  readonly #out: Uint8Array;
  /** A row between two of the component's, in 4 or 16 parts. */
  readonly #sums: Int32Array;

  constructor(component: JpegComponent, { width, maxH, maxV }: JpegFrame) {
    this.#component = component;
    this.#across = maxH / component.h;
    this.#down = maxV / component.v;
    this.#out = new Uint8Array(width + 2 * this.#across);
    this.#sums = new Int32Array(component.width);
  }

  /** The full-size row `y`; overwritten by the next call. */
  row(y: number): Uint8Array {
    const [across, down] = [this.#across, this.#down];
    const source = Math.floor(y / down);
    if (across === 1 && down === 1) return this.#samples(source);
    // Narrow components are only repeated.
    const isSmooth = this.#component.width > 2;
    if (across === 2 && down === 1 && isSmooth) return this.#smooth(this.#samples(source), 1);
    if (across === 2 && down === 2 && isSmooth) return this.#smooth(this.#between(source, y & 1), 4);
    if (across === 1 && down === 2) return this.#blended(source, y & 1);
    return this.#repeated(this.#samples(source));
  }

  #samples(row: number): Uint8Array {
    const { samples, blocksWide, width, height } = this.#component;
    const at = 8 * blocksWide * Math.min(Math.max(row, 0), height - 1);
    return samples.subarray(at, at + width);
  }

  /** Three parts of the nearer row, one of the other: the row above for an even one, the row below for an odd one. */
  #between(row: number, odd: number): Int32Array {
    const [near, far] = [this.#samples(row), this.#samples(odd === 0 ? row - 1 : row + 1)];
    const sums = this.#sums;
    for (let i = 0; i < sums.length; i++) sums[i] = 3 * near[i]! + far[i]!;
    return sums;
  }

  #blended(row: number, odd: number): Uint8Array {
    const sums = this.#between(row, odd);
    const out = this.#out;
    const bias = odd === 0 ? 1 : 2;
    for (let i = 0; i < sums.length; i++) out[i] = (sums[i]! + bias) >> 2;
    return out;
  }

  /** Twice as wide: three parts of the nearer sample, one of the other. @param unit what the values are multiples of */
  #smooth(values: ArrayLike<number>, unit: 1 | 4): Uint8Array {
    const out = this.#out;
    const { length } = values;
    const shift = unit === 1 ? 2 : 4;
    const [left, right] = unit === 1 ? [1, 2] : [8, 7];
    const last = length - 1;
    out[0] = (4 * values[0]! + (unit === 1 ? 0 : 8)) >> shift;
    out[1] = (3 * values[0]! + values[1]! + right) >> shift;
    for (let i = 1; i < last; i++) {
      const near = 3 * values[i]!;
      out[2 * i] = (near + values[i - 1]! + left) >> shift;
      out[2 * i + 1] = (near + values[i + 1]! + right) >> shift;
    }
    out[2 * last] = (3 * values[last]! + values[last - 1]! + left) >> shift;
    out[2 * last + 1] = (4 * values[last]! + (unit === 1 ? 0 : 7)) >> shift;
    return out;
  }

  #repeated(values: Uint8Array): Uint8Array {
    const out = this.#out;
    const across = this.#across;
    for (let i = 0; i < out.length; i++) out[i] = values[Math.min(values.length - 1, Math.floor(i / across))]!;
    return out;
  }
}
