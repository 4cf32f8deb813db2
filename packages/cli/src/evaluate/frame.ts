import type { ImageAnnotation } from "@villa/data";
import type { Box } from "@villa/metrics";

/** An image in the pixels in which its boxes are given, which need not be those of the stored picture. */
export interface Frame {
  /** The id that files of boxes have for the image. */
  readonly id: number;
  readonly width: number;
  readonly height: number;
  /** Its true boxes. */
  readonly truth: readonly Box[];
}

/** The frame of a dataset's own pixels. */
export function rowFrame({ imageSize: [height, width], regionCoord }: ImageAnnotation, id: number): Frame {
  return { id, width, height, truth: regionCoord };
}
