import { checkArgument, type RandomState, VillaError } from "@villa/data";
import type { Box } from "@villa/metrics";

/** A grid of boxes over an image, at several sizes. */
export interface PyramidOptions {
  readonly width: number;
  readonly height: number;
  /** Boxes side by side at each level: 1 is the whole image. Default 1, 2, 3, 4. */
  readonly levels?: readonly number[] | undefined;
  /** How far neighbours overlap, as a share of a box. Default 0. */
  readonly overlap?: number | undefined;
  /** How far edges are moved at random, as a share of a box. Default 0. */
  readonly jitter?: number | undefined;
  /** For the jitter. */
  readonly random?: RandomState | undefined;
}

/**
 * Proposals without a detector: at each level n × n boxes that cover the image, moved a little with `jitter`, so that
 * they do not lie on a grid that the objects may have.
 *
 * @returns corners in pixels, inside of the image, level after level, row by row
 * @throws VillaError `InvalidArgument` for levels, an overlap or a jitter that make no boxes
 */
export function pyramidBoxes(options: PyramidOptions): Box[] {
  checkArgument("options", options, {
    width: "count",
    height: "count",
    "levels?": "numbers",
    "overlap?": "number",
    "jitter?": "number",
    "random?": { randomSample: "function" },
  });

  const { width, height, levels = [1, 2, 3, 4], overlap = 0, jitter = 0, random } = options;
  if (!levels.every((level) => Number.isInteger(level) && level > 0 && level <= 64) || levels.length === 0) {
    throw new VillaError("InvalidArgument", `Levels must be whole numbers from 1 to 64, not ${levels.join(", ")}.`);
  }
  if (!(overlap >= 0 && overlap < 1 && jitter >= 0 && jitter < 0.5)) {
    throw new VillaError(
      "InvalidArgument",
      `The overlap must be from 0 to below 1 and the jitter from 0 to below 0.5, not ${overlap} and ${jitter}.`,
    );
  }
  if (jitter > 0 && !random) throw new VillaError("InvalidArgument", "A jitter needs a random state to draw from.");
  return levels.flatMap((level) => {
    // n boxes of side s, each s (1 − overlap) after the one before, reach from edge to edge.
    const side = 1 / (1 + (level - 1) * (1 - overlap));
    const step = side * (1 - overlap);
    const boxes: Box[] = [];
    for (let row = 0; row < level; row++) {
      for (let column = 0; column < level; column++) {
        const moved = () => (random && jitter > 0 ? (2 * random.randomSample() - 1) * jitter * side : 0);
        const [x0, y0] = [column * step + moved(), row * step + moved()];
        const [x1, y1] = [column * step + side + moved(), row * step + side + moved()];
        boxes.push([clip(x0) * width, clip(y0) * height, clip(x1) * width, clip(y1) * height]);
      }
    }
    return boxes;
  });
}

const clip = (value: number): number => Math.min(1, Math.max(0, value));
