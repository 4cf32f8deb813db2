/** Where the parts of the story are drawn, in units of its drawing. */
export interface StoryLayout {
  readonly width: number;
  readonly height: number;
  /** The picture's square. */
  readonly picture: { readonly x: number; readonly y: number; readonly size: number };
  /** Column of regions, cut out: left edge, side, and the height of each one's middle. */
  readonly regions: { readonly x: number; readonly size: number; readonly at: (index: number) => number };
  /** Where the middle of a region is: in its column, or in a row where no sentences stand beside it on a phone. */
  readonly middle: (region: number) => { readonly x: number; readonly y: number };
  /** Column of sentences: left edge, size of the letters, and the middle of each line. */
  readonly sentences: {
    readonly x: number;
    readonly width: number;
    readonly fontSize: number;
    readonly at: (place: number) => number;
  };
  /** Below all of it: the number line, or the picture in numbers. */
  readonly strip: { readonly top: number; readonly left: number; readonly right: number; readonly axis: number };
}

/** Height of a sentence's line. */
const step = 27;
/** Between a sentence and its frame. */
export const sentencePadding = 7;
/** Width of a letter, on the average, of a font of size 1. */
export const letterWidth = 0.53;
/** DocMNIST's longest sentence, "the shape appears to be a rectangle", in a font of size 1. */
const widestSentence = 35 * letterWidth;
/** Height of what stands below picture and sentences: the number line, or what the picture is in numbers. */
const stripHeight = { line: 134, facts: 90 };

interface LayoutOptions {
  readonly sentences: number;
  readonly regions: number;
  /** Sentences are drawn. */
  readonly hasSentences: boolean;
  /** The number line is drawn. */
  readonly hasLine: boolean;
}

/**
 * Picture, regions and sentences beside each other on a wide page, which is as high for every step; the picture above the
 * others on a phone, which leaves no room for what a step does not draw.
 */
export function storyLayout(width: number, { hasSentences, hasLine, ...counts }: LayoutOptions): StoryLayout {
  const isWide = width >= 620;
  const regions = Math.max(1, counts.regions);
  const list = Math.max(1, counts.sentences) * step;
  const size = isWide ? Math.min(340, Math.round(width * 0.43)) : Math.min(180, width);
  const top = isWide ? Math.max(0, (size - list) / 2) : size + 20;
  const column = isWide ? size + 24 : 0;
  const largest = isWide ? 46 : Math.min(40, Math.floor(width / regions) - 4);
  const side = Math.min(largest, Math.floor(list / regions) - 4);
  const text = column + side + (isWide ? Math.max(64, Math.round(width * 0.11)) : 36);
  const isRow = !isWide && !hasSentences;
  const bottom = isWide ? Math.max(size, list) : top + (isRow ? side : list);
  const at = (index: number): number => top + ((index + 0.5) * list) / regions;
  const apart = Math.min(side + 12, width / regions);
  return {
    width,
    height: bottom + stripHeight[isWide || hasLine ? "line" : "facts"],
    picture: { x: isWide ? 0 : (width - size) / 2, y: 0, size },
    regions: { x: column, size: side, at },
    middle: (region) =>
      isRow
        ? { x: width / 2 + (region - (regions - 1) / 2) * apart, y: top + side / 2 }
        : { x: column + side / 2, y: at(region) },
    sentences: {
      x: text,
      width: width - text,
      fontSize: isWide ? 14 : Math.min(12.5, Math.max(10, (width - text - 2 * sentencePadding) / widestSentence)),
      at: (place) => top + (place + 0.5) * step,
    },
    strip: { top: bottom + 16, left: isWide ? 34 : 26, right: width - (isWide ? 34 : 26), axis: bottom + 108 },
  };
}

/** A line from a sentence to a region. */
export interface Thread {
  readonly sentence: number;
  readonly region: number;
  /** Missed: the region truly has it, and was not given it. Undefined where the truth is not known, or is not told. */
  readonly judgement?: "found" | "wrong" | "missed" | undefined;
}
