import { checkArgument, type RgbImage, VillaError } from "@villa/data";

/** A way to weigh neighbouring pixels, as Pillow names them. */
export type Resample = "bilinear" | "bicubic";

/** Coefficients are whole numbers of 2⁻²², as in Pillow, so that results are equal to the last bit. */
const precisionBits = 22;

/** What a target pixel reads: a run of source pixels. */
interface Run {
  readonly from: number;
  readonly weights: Float64Array;
}

/**
 * Scales a picture as Pillow 13's `Image.resize` does, antialiased when it shrinks: along the rows, then along the columns,
 * each rounded to bytes; the other way round where the height loses more than twice what the width does. Earlier versions
 * of Pillow never turn the order, which makes a difference of one level here and there.
 *
 * @param image [3, height, width] bytes
 * @returns the same layout
 * @throws VillaError `InvalidArgument` for an empty target
 */
export function resizeImage<T extends Omit<RgbImage, "channels">>(
  image: T,
  options: { width: number; height: number; resample?: Resample | undefined },
): { width: number; height: number; data: Uint8Array } {
  checkArgument("image", image, { width: "count", height: "count", data: "bytes" });
  checkArgument("options", options, { width: "count", height: "count", "resample?": "'bilinear' | 'bicubic'" });
  const { width, height, resample = "bicubic" } = options;

  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)) {
    throw new VillaError("InvalidArgument", `A picture cannot be scaled to ${width} × ${height} pixels.`);
  }
  const lossOfHeight = image.height - height;
  const columnsFirst = lossOfHeight > 0 && lossOfHeight > 2 * (image.width - width);
  const passes = columnsFirst ? [scaleHeight, scaleWidth] : [scaleWidth, scaleHeight];
  const scaled = passes.reduce<Planes>((from, pass) => pass(from, { width, height }, resample), image);
  return { width, height, data: Uint8Array.from(scaled.data) };
}

/** Three planes of bytes. */
type Planes = Omit<RgbImage, "channels">;
type Size = Pick<RgbImage, "width" | "height">;

function scaleWidth(image: Planes, { width }: Size, resample: Resample): Planes {
  if (width === image.width) return image;
  const data = alongRows(image.data, runs(image.width, width, resample), 3 * image.height, image.width);
  return { width, height: image.height, data };
}

function scaleHeight(image: Planes, { height }: Size, resample: Resample): Planes {
  if (height === image.height) return image;
  const data = alongColumns(image.data, runs(image.height, height, resample), image.width, image.height);
  return { width: image.width, height, data };
}

/** Every row of `source` values becomes one of `runs.length`. */
function alongRows(data: ArrayLike<number>, targets: readonly Run[], rows: number, source: number): Uint8Array {
  const out = new Uint8Array(rows * targets.length);
  for (let row = 0; row < rows; row++) {
    targets.forEach(({ from, weights }, x) => {
      let sum = 2 ** (precisionBits - 1);
      const at = row * source + from;
      for (let i = 0; i < weights.length; i++) sum += data[at + i]! * weights[i]!;
      out[row * targets.length + x] = toByte(sum);
    });
  }
  return out;
}

/** The same along the other axis, for three planes. */
function alongColumns(data: ArrayLike<number>, targets: readonly Run[], width: number, source: number): Uint8Array {
  const out = new Uint8Array(3 * targets.length * width);
  for (let plane = 0; plane < 3; plane++) {
    targets.forEach(({ from, weights }, y) => {
      const to = (plane * targets.length + y) * width;
      for (let x = 0; x < width; x++) {
        let sum = 2 ** (precisionBits - 1);
        for (let i = 0; i < weights.length; i++) sum += data[(plane * source + from + i) * width + x]! * weights[i]!;
        out[to + x] = toByte(sum);
      }
    });
  }
  return out;
}

function toByte(sum: number): number {
  return Math.min(255, Math.max(0, Math.floor(sum / 2 ** precisionBits)));
}

function runs(source: number, target: number, resample: Resample): Run[] {
  const scale = source / target;
  const stretch = Math.max(scale, 1);
  const { support, weigh } = kernels[resample];
  const reach = support * stretch;
  return Array.from({ length: target }, (_, at) => {
    const centre = (at + 0.5) * scale;
    const from = Math.max(0, Math.trunc(centre - reach + 0.5));
    const to = Math.min(source, Math.trunc(centre + reach + 0.5));
    const raw = Float64Array.from({ length: to - from }, (_, i) => weigh((i + from - centre + 0.5) / stretch));
    const sum = raw.reduce((total, weight) => total + weight, 0);
    return { from, weights: raw.map((weight) => roundAway((weight / sum) * 2 ** precisionBits)) };
  });
}

const roundAway = (value: number): number => Math.trunc(value < 0 ? value - 0.5 : value + 0.5);

/** Keys' cubic with a = −0.5, and the triangle. */
const kernels: Readonly<Record<Resample, { support: number; weigh: (x: number) => number }>> = {
  bilinear: { support: 1, weigh: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, weigh: (x) => cubic(Math.abs(x), -0.5) },
};

/** Keys' cubic convolution kernel at a distance x ≥ 0. */
export function cubic(x: number, a: number): number {
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}
