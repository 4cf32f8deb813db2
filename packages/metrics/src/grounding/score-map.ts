import { type Box, VillaError } from "@villa/data";
import { checkBox } from "../box.ts";

/** Scores of a phrase for every pixel of an image, and where the phrase truly is. */
export interface ScoreMap {
  /** [height, width] row-major; NaN where the model does not look, such as outside of its crop. */
  readonly scores: ArrayLike<number>;
  readonly height: number;
  readonly width: number;
  /** The truth in pixels of the map. */
  readonly truth: readonly Box[];
}

/** @throws VillaError `Mismatch` for scores that do not form a map, `InvalidArgument` without truth or for an invalid box */
export function checkMap({ scores, height, width, truth }: ScoreMap, where: string): void {
  const sides = Number.isInteger(height) && Number.isInteger(width) && height > 0 && width > 0;
  if (!sides || scores.length !== height * width) {
    throw new VillaError(
      "Mismatch",
      `${where} has ${scores.length} scores, which do not form a map of ${height} × ${width}.`,
    );
  }
  if (truth.length === 0) throw new VillaError("InvalidArgument", `${where} has no true box; leave it out.`);
  truth.forEach((box, i) => {
    checkBox(box, `True box ${i} of ${where.toLowerCase()}`);
  });
}

/** Centre of pixel `i` of a map: pixel 0 reaches from 0 to 1. */
export function pixelCentre(i: number, { width }: { readonly width: number }): [x: number, y: number] {
  return [(i % width) + 0.5, Math.floor(i / width) + 0.5];
}
