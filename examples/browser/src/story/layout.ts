import type { Box } from "@villa/data";

/** Where the parts of the story are drawn, in units of its drawing. */
export interface StoryLayout {
  readonly width: number;
  readonly height: number;
  /** The picture's square. */
  readonly picture: { readonly x: number; readonly y: number; readonly size: number };
  /** Column of sentences: left edge, and the middle of each line. */
  readonly sentences: { readonly x: number; readonly width: number; readonly at: (index: number) => number };
  /** The number line. */
  readonly line: { readonly left: number; readonly right: number; readonly y: number };
}

/** Beside each other on a wide page, below each other on a phone. */
export function storyLayout(width: number, sentences: number): StoryLayout {
  const step = 27;
  const list = Math.max(1, sentences) * step;
  if (width >= 620) {
    const size = Math.min(360, Math.round(width * 0.42));
    const top = Math.max(0, (size - list) / 2);
    const x = size + Math.round(width * 0.14);
    return {
      width,
      height: Math.max(size, list) + 118,
      picture: { x: 0, y: 0, size },
      sentences: { x, width: width - x, at: (index) => top + (index + 0.5) * step },
      line: { left: 34, right: width - 34, y: Math.max(size, list) + 84 },
    };
  }
  const size = Math.min(width, 250);
  const top = size + 44;
  return {
    width,
    height: top + list + 118,
    picture: { x: (width - size) / 2, y: 0, size },
    sentences: { x: Math.max(0, width / 2 - 125), width: 250, at: (index) => top + (index + 0.5) * step },
    line: { left: 30, right: width - 30, y: top + list + 84 },
  };
}

/** Middle of a region, in units of the drawing. */
export function regionCentre(
  [x0, y0, x1, y1]: Box,
  { picture }: StoryLayout,
  image: { readonly width: number; readonly height: number },
): [number, number] {
  const scale = picture.size / Math.max(image.width, image.height);
  return [picture.x + ((x0 + x1) / 2) * scale, picture.y + ((y0 + y1) / 2) * scale];
}
