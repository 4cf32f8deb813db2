/** Where the parts of the story are drawn, in units of its drawing. */
export interface StoryLayout {
  readonly width: number;
  readonly height: number;
  /** The picture's square. */
  readonly picture: { readonly x: number; readonly y: number; readonly size: number };
  /** Column of regions, cut out: left edge, side, and the middle of each. */
  readonly regions: { readonly x: number; readonly size: number; readonly at: (index: number) => number };
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
/** Height of what stands below picture and sentences. */
const stripHeight = 134;

/** Picture, regions and sentences beside each other on a wide page; the picture above the others on a phone. */
export function storyLayout(
  width: number,
  counts: { readonly sentences: number; readonly regions: number },
): StoryLayout {
  const isWide = width >= 620;
  const regions = Math.max(1, counts.regions);
  const list = Math.max(1, counts.sentences) * step;
  const size = isWide ? Math.min(340, Math.round(width * 0.43)) : Math.min(180, width);
  const top = isWide ? Math.max(0, (size - list) / 2) : size + 20;
  const column = isWide ? size + 24 : 0;
  const side = Math.min(isWide ? 46 : 40, Math.floor(list / regions) - 4);
  const text = column + side + (isWide ? Math.max(64, Math.round(width * 0.11)) : 36);
  const bottom = isWide ? Math.max(size, list) : top + list;
  return {
    width,
    height: bottom + stripHeight,
    picture: { x: isWide ? 0 : (width - size) / 2, y: 0, size },
    regions: { x: column, size: side, at: (index) => top + ((index + 0.5) * list) / regions },
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
  /** Unknown without the truth. */
  readonly isRight?: boolean | undefined;
}
