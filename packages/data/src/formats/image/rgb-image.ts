/** An image as encoders take it. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly channels: 3;
  /** [3, height, width], 0–255. */
  readonly data: Uint8Array;
}
