import { checkArgument, RandomState, VillaError } from "@villa/data";
import { cellSize, type DigitSet, type DigitSource } from "./digits.ts";
import { digitSkeletons, type Stroke, type StrokePoint } from "./strokes.ts";

/** Options of {@link glyphDigits}. */
export interface GlyphOptions {
  /** Classes to draw, 0…9; default all ten, equally often. */
  readonly labels?: readonly number[] | undefined;
}

/** Side of the box that MNIST's digits are fitted into before they are centred by mass. */
const digitBox = 20;
/** Points per curve segment: a segment is then shorter than a pixel. */
const pointsPerSegment = 8;

/**
 * Draws digits that look handwritten, with no data at all: the strokes of a skeleton, bent, slanted and stretched at
 * random, drawn with a soft pen and normalised as MNIST's digits are (fitted into 20×20 pixels, centre of mass in the
 * centre of 28×28).
 *
 * @param seed equal seeds give equal digits
 * @param count how many; classes appear in random order
 */
export function glyphDigits(seed: number, count: number, options: GlyphOptions = {}): DigitSet {
  checkArgument("seed", seed, "number");
  checkArgument("count", count, "count");
  checkArgument("options?", options, { "labels?": "numbers" });

  if (!Number.isInteger(count) || count < 0) {
    throw new VillaError("InvalidArgument", `The number of digits must be a whole number of at least 0, not ${count}.`);
  }
  const classes = options.labels ?? digitSkeletons.map((_, label) => label);
  if (classes.length === 0 || !classes.every((label) => digitSkeletons[label])) {
    throw new VillaError("InvalidArgument", "Glyphs exist for the labels 0 to 9.");
  }
  const random = new RandomState(seed);
  const labels = random.shuffle(Uint8Array.from({ length: count }, (_, i) => classes[i % classes.length]!));
  const images = new Uint8Array(count * cellSize * cellSize);
  for (let i = 0; i < count; i++) {
    const target = images.subarray(i * cellSize * cellSize, (i + 1) * cellSize * cellSize);
    drawDigit(labels[i]!, random, target);
  }
  return { images, labels };
}

/** A stroke as closely spaced points with the pen's radius at each, in pixels: x, y, radius, x, y, radius… */
type PenPath = Float64Array;

function drawDigit(label: number, random: RandomState, target: Uint8Array): void {
  const variants = digitSkeletons[label]!;
  const skeleton = variants[random.choice(variants.length)]!;
  const between = (low: number, high: number): number => low + (high - low) * random.randomSample();
  const warp = randomWarp(random, label);
  const strokes = skeleton.map((stroke) => smooth(wobble(stroke, random).map(warp)));
  const pen = Math.min(2.2, Math.max(0.7, 1.15 + 0.3 * random.normal()));
  const blur = between(0.5, 0.8);
  const paths = fitToBox(strokes, pen, blur, random);
  const ink = new Float64Array(cellSize * cellSize);
  for (const path of paths) drawPath(path, blur, ink);
  const [dx, dy] = centerOfMassShift(ink);
  // MNIST's strokes are saturated with soft edges, and a little uneven.
  const gain = Math.max(between(1, 1.25), 1 / ink.reduce((peak, value) => Math.max(peak, value), 0));
  for (let i = 0; i < ink.length; i++) {
    const row = Math.floor(i / cellSize) + dy;
    const column = (i % cellSize) + dx;
    if (ink[i]! < 0.04 || row < 0 || row >= cellSize || column < 0 || column >= cellSize) continue;
    const value = Math.min(1, ink[i]! * gain);
    target[row * cellSize + column] = Math.round(254 * value - (value > 0.9 ? 2 * random.randomSample() : 0));
  }
}

/** How many glyphs {@link glyphSource} draws. */
export interface GlyphSourceOptions extends GlyphOptions {
  /** Glyphs of the train and val pools; default 5000. */
  readonly train?: number | undefined;
  /** Glyphs of the test pool; default 0, none. */
  readonly test?: number | undefined;
}

/**
 * Glyphs to make a dataset of, those that `docmnist generate --digits glyphs` draws for the same seed.
 *
 * @param seed of the dataset
 */
export function glyphSource(seed: number, options: GlyphSourceOptions = {}): DigitSource {
  checkArgument("seed", seed, "number");
  checkArgument("options?", options, { "train?": "number", "test?": "number", "labels?": "numbers" });

  const { train = 5000, test = 0, labels } = options;
  // Other seeds than the dataset's: its draws must not repeat the glyphs' own.
  const digits = { train: glyphDigits((seed ^ 0x5eed_0001) >>> 0, train, { labels }) };
  return test === 0 ? digits : { ...digits, test: glyphDigits((seed ^ 0x5eed_0002) >>> 0, test, { labels }) };
}

/** Moves each point a little; points that are close together move together, or curves would get corners. */
function wobble(stroke: Stroke, random: RandomState): Stroke {
  const kept = Math.min(0.85, Math.max(0, (stroke.length - 4) / 9));
  const fresh = 0.034 * Math.sqrt(1 - kept * kept);
  let dx = 0.034 * random.normal();
  let dy = 0.034 * random.normal();
  return stroke.map(([x, y]) => {
    dx = kept * dx + fresh * random.normal();
    dy = kept * dy + fresh * random.normal();
    return [x + dx, y + dy] as const;
  });
}

/** Slant, rotation, proportions and a slow bend, the same for all strokes of a digit. */
function randomWarp(random: RandomState, label: number): (point: StrokePoint) => StrokePoint {
  const slant = 0.14 + 0.24 * random.normal();
  const rotation = 0.09 * random.normal();
  const aspect = Math.exp(0.2 * random.normal()) * (label === 1 ? 1 : 0.92);
  const bendX = 0.045 * random.normal();
  const bendY = 0.045 * random.normal();
  const phase = 2 * Math.PI * random.randomSample();
  const cos = Math.cos(rotation);
  const sin = Math.sin(rotation);
  return ([px, py]) => {
    const x = (px - 0.5) * aspect + bendX * Math.sin(Math.PI * py * 1.5 + phase);
    const y = py - 0.5 + bendY * Math.sin(Math.PI * px * 1.5 + phase);
    const leaning = x - slant * y;
    return [cos * leaning - sin * y, sin * leaning + cos * y];
  };
}

/** A Catmull-Rom curve through the points. */
function smooth(points: Stroke): Stroke {
  const curve: StrokePoint[] = [];
  const at = (i: number): StrokePoint => points[Math.min(points.length - 1, Math.max(0, i))]!;
  for (let i = 0; i + 1 < points.length; i++) {
    const [a, b, c, d] = [at(i - 1), at(i), at(i + 1), at(i + 2)];
    for (let k = 0; k < pointsPerSegment; k++) {
      const t = k / pointsPerSegment;
      curve.push([catmullRom(a[0], b[0], c[0], d[0], t), catmullRom(a[1], b[1], c[1], d[1], t)]);
    }
  }
  return [...curve, at(points.length - 1)];
}

function catmullRom(a: number, b: number, c: number, d: number, t: number): number {
  return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
}

/** Scales to pixels so that the digit with its pen fills the box in its longer direction. */
function fitToBox(strokes: readonly Stroke[], pen: number, blur: number, random: RandomState): PenPath[] {
  const points = strokes.flat();
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const pressure = 0.06 + 0.1 * random.randomSample();
  const reach = pen * (1 + pressure) + blur;
  const scale = (digitBox - 2 * reach) / Math.max(right - left, bottom - top);
  const centerX = (left + right) / 2;
  const centerY = (top + bottom) / 2;
  return strokes.map((stroke) => {
    const path = new Float64Array(stroke.length * 3);
    // The pen presses harder here and there, and leaves the paper lightly.
    const phase = 2 * Math.PI * random.randomSample();
    for (const [i, [x, y]] of stroke.entries()) {
      const progress = i / Math.max(1, stroke.length - 1);
      const taper = progress > 0.85 ? 1 - (progress - 0.85) * 1.4 : 1;
      path[3 * i] = (x - centerX) * scale + cellSize / 2;
      path[3 * i + 1] = (y - centerY) * scale + cellSize / 2;
      path[3 * i + 2] = pen * taper * (1 + pressure * Math.sin(phase + 7 * progress));
    }
    return path;
  });
}

/** Adds a path to the ink: where paths overlap the darker one counts. */
function drawPath(path: PenPath, blur: number, ink: Float64Array): void {
  for (let i = 0; i + 5 < path.length; i += 3) {
    const x0 = path[i]!;
    const y0 = path[i + 1]!;
    const r0 = path[i + 2]!;
    const x1 = path[i + 3]!;
    const y1 = path[i + 4]!;
    const r1 = path[i + 5]!;
    const reach = Math.max(r0, r1) + blur;
    const firstRow = Math.max(0, Math.floor(Math.min(y0, y1) - reach));
    const lastRow = Math.min(cellSize - 1, Math.ceil(Math.max(y0, y1) + reach));
    const firstColumn = Math.max(0, Math.floor(Math.min(x0, x1) - reach));
    const lastColumn = Math.min(cellSize - 1, Math.ceil(Math.max(x0, x1) + reach));
    const ux = x1 - x0;
    const uy = y1 - y0;
    const length2 = ux * ux + uy * uy || 1;
    for (let row = firstRow; row <= lastRow; row++) {
      for (let column = firstColumn; column <= lastColumn; column++) {
        const px = column + 0.5 - x0;
        const py = row + 0.5 - y0;
        const t = Math.min(1, Math.max(0, (px * ux + py * uy) / length2));
        const distance = Math.sqrt((px - t * ux) ** 2 + (py - t * uy) ** 2);
        const radius = r0 + t * (r1 - r0);
        const value = Math.min(1, Math.max(0, (radius + blur - distance) / (2 * blur)));
        const index = row * cellSize + column;
        if (value > ink[index]!) ink[index] = value;
      }
    }
  }
}

/** The whole-pixel shift that brings the centre of mass to the middle, as far as the digit stays inside. */
function centerOfMassShift(ink: Float64Array): [number, number] {
  let mass = 0;
  let x = 0;
  let y = 0;
  for (let i = 0; i < ink.length; i++) {
    mass += ink[i]!;
    x += ink[i]! * ((i % cellSize) + 0.5);
    y += ink[i]! * (Math.floor(i / cellSize) + 0.5);
  }
  const margin = (cellSize - digitBox) / 2 - 1;
  const shift = (center: number): number => Math.min(margin, Math.max(-margin, Math.round(cellSize / 2 - center)));
  return mass === 0 ? [0, 0] : [shift(x / mass), shift(y / mass)];
}
