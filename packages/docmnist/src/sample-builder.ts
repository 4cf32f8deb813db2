import { type RandomState, VillaError } from "@villa/data";
import type { DocMnistAttributes } from "./attributes.ts";
import { cellSize, type DigitSet } from "./digits.ts";
import { type OutlinePixels, outlinePixels } from "./outline.ts";
import { paintCell } from "./paint.ts";
import type { DocMnistRegion, DocMnistSample } from "./sample.ts";

/** What the samples of one split are drawn from. */
export interface SampleSource {
  readonly digits: DigitSet;
  /** Indices into `digits` that the split may use. */
  readonly pool: Int32Array;
  readonly attributes: DocMnistAttributes;
  readonly gridSize: number;
  readonly targetSampleComplexity: number;
  readonly random: RandomState;
}

/** A region before it has a place in the grid. */
interface DrawnRegion {
  readonly digitIndex: number;
  readonly digit: number;
  readonly color: number;
  /** Index of the shape, or -1 for none. */
  readonly shape: number;
  readonly size: number;
  readonly row: number;
  readonly column: number;
  readonly sentences: readonly string[];
}

/** Range of an outline's anchor in its cell: [5, 20) keeps the reference's largest shapes inside. */
const anchorRange = [5, 20] as const;

/**
 * Draws one sample after the other. The order of the draws is the reference's: it must not change, or seeds would give
 * other datasets.
 */
export class SampleBuilder {
  /** (region, attribute) pairs of the regions drawn last. */
  sampleComplexity = 0;
  readonly #source: SampleSource;
  readonly #drawDigit: () => number;
  readonly #colorProbabilities: readonly number[];
  /** [shape][size] */
  readonly #outlines: readonly (readonly OutlinePixels[])[];
  readonly #digitOfLabel = new Int32Array(256);
  readonly #sentences: Record<"digit" | "color" | "shape" | "size", string[][]>;
  #regions: DrawnRegion[] = [];

  constructor(source: SampleSource) {
    this.#source = source;
    const { digits, colors, shapes, sizes, templates, probabilities } = source.attributes;
    this.#colorProbabilities = probabilities.colors ?? colors.map(() => 1 / colors.length);
    this.#outlines = shapes.map((shape) => sizes.map((size) => outlinePixels(shape.outline, size)));
    for (const [i, { label }] of digits.entries()) this.#digitOfLabel[label] = i;
    const phrase = (items: readonly { name: string }[], forms: readonly string[]): string[][] =>
      items.map(({ name }) => forms.map((form) => form.replace("{}", () => name)));
    this.#sentences = {
      digit: phrase(digits, templates.digit),
      color: phrase(colors, templates.color),
      shape: phrase(shapes, templates.shape),
      size: phrase(sizes, templates.size),
    };
    this.#drawDigit = this.#digitDraw();
  }

  /** Draws regions until the grid is full or the next one would exceed the target complexity. */
  drawRegions(): void {
    const { random, attributes, gridSize, targetSampleComplexity } = this.#source;
    const { shapes, sizes, allowNoShape, probabilities } = attributes;
    const shapeChoices = shapes.length + (allowNoShape ? 1 : 0);
    this.#regions = [];
    this.sampleComplexity = 0;
    while (this.#regions.length < gridSize * gridSize) {
      const digitIndex = this.#drawDigit();
      const color = random.choiceWeighted(this.#colorProbabilities);
      const drawnShape = drawIndex(random, shapeChoices, probabilities.shapes);
      const size = drawIndex(random, sizes.length, probabilities.sizes); // drawn also when there is no shape
      const shape = drawnShape < shapes.length ? drawnShape : -1;
      const row = shape < 0 ? 0 : random.randint(...anchorRange);
      const column = shape < 0 ? 0 : random.randint(...anchorRange);
      const complexity = shape < 0 ? 2 : 4;
      if (this.sampleComplexity + complexity > targetSampleComplexity) break;
      this.sampleComplexity += complexity;
      const digit = this.#digitOfLabel[this.#source.digits.labels[digitIndex]!]!;
      const sentences = this.#drawSentences(digit, color, shape, size);
      this.#regions.push({ digitIndex, digit, color, shape, size, row, column, sentences });
    }
  }

  /**
   * Places the drawn regions in the grid and paints them.
   *
   * @param sample `image`: [3, side, side] uint8, black
   */
  finish({ id, split, image }: Pick<DocMnistSample, "id" | "split" | "image">): DocMnistSample {
    const { random, gridSize } = this.#source;
    const sentences = random.shuffle([...new Set(this.#regions.flatMap((region) => region.sentences))]);
    const cells = random.sample(gridSize * gridSize, this.#regions.length).sort();
    const side = gridSize * cellSize;
    const regions = this.#regions.map((region, i) => {
      const x = (cells[i]! % gridSize) * cellSize;
      const y = Math.floor(cells[i]! / gridSize) * cellSize;
      this.#paint(image, side, x, y, region);
      return this.#describe(region, x, y);
    });
    return {
      id,
      split,
      width: side,
      height: side,
      image,
      regions,
      sentences,
      text: sentences.join(" . "),
      sampleComplexity: this.sampleComplexity,
    };
  }

  #drawSentences(digit: number, color: number, shape: number, size: number): string[] {
    const { random } = this.#source;
    const draw = (forms: readonly string[]): string => forms[random.randint(0, forms.length)]!;
    const sentences = [draw(this.#sentences.color[color]!), draw(this.#sentences.digit[digit]!)];
    if (shape >= 0) sentences.push(draw(this.#sentences.shape[shape]!), draw(this.#sentences.size[size]!));
    return random.shuffle([...new Set(sentences)].sort());
  }

  #paint(image: Uint8Array, side: number, x: number, y: number, region: DrawnRegion): void {
    const { digits, attributes } = this.#source;
    const { shape, size, row, column } = region;
    paintCell(image, side, side, x, y, {
      digits: digits.images,
      offset: region.digitIndex * cellSize * cellSize,
      rgb: attributes.colors[region.color]!.rgb,
      outline: shape < 0 ? null : { pixels: this.#outlines[shape]![size]!, row, column },
    });
  }

  #describe(region: DrawnRegion, x: number, y: number): DocMnistRegion {
    const { attributes } = this.#source;
    const digit = attributes.digits[region.digit]!.name;
    const color = attributes.colors[region.color]!.name;
    const shape = region.shape < 0 ? null : attributes.shapes[region.shape]!.name;
    const size = region.shape < 0 ? null : attributes.sizes[region.size]!.name;
    return {
      box: [x, y, x + cellSize, y + cellSize],
      digit,
      color,
      shape,
      size,
      attributes: shape === null || size === null ? [digit, color] : [digit, color, shape, size],
    };
  }

  /** How a digit picture is drawn: any of the pool, or a class first when classes have probabilities. */
  #digitDraw(): () => number {
    const { random, pool, digits, attributes } = this.#source;
    const probabilities = attributes.probabilities.digits;
    if (!probabilities) return () => pool[random.choice(pool.length)]!;
    const pools = attributes.digits.map(({ label }) => pool.filter((index) => digits.labels[index] === label));
    const missing = pools.findIndex((ofClass, i) => ofClass.length === 0 && probabilities[i]! > 0);
    if (missing >= 0) {
      const { name } = attributes.digits[missing]!;
      throw new VillaError("InvalidArgument", `One of the splits has no picture of "${name}"; use more digits.`);
    }
    return () => {
      const ofClass = pools[random.choiceWeighted(probabilities)]!;
      return ofClass[random.choice(ofClass.length)]!;
    };
  }
}

function drawIndex(random: RandomState, count: number, probabilities: readonly number[] | undefined): number {
  if (count === 0) return 0;
  return probabilities ? random.choiceWeighted(probabilities) : random.randint(0, count);
}
