import type { RgbaImage } from "@villa/data";
import { characterColumns, characterSize } from "./font.ts";

/** Red, green, blue, 0…255. */
export type Rgb = readonly [number, number, number];

/** An RGBA picture to draw on. What reaches over its edge is cut off. */
export class Canvas implements RgbaImage {
  readonly width: number;
  readonly height: number;
  /** [height, width, 4] uint8, opaque */
  readonly data: Uint8Array;

  constructor(width: number, height: number, background: Rgb) {
    this.width = width;
    this.height = height;
    this.data = new Uint8Array(width * height * 4);
    this.fill(0, 0, width, height, background);
  }

  /** Fills a rectangle; `opacity` below 1 lets what is there shine through. */
  fill(x: number, y: number, width: number, height: number, color: Rgb, opacity = 1): void {
    const right = Math.min(this.width, x + width);
    const bottom = Math.min(this.height, y + height);
    for (let row = Math.max(0, y); row < bottom; row++) {
      for (let column = Math.max(0, x); column < right; column++) {
        const at = (row * this.width + column) * 4;
        for (let channel = 0; channel < 3; channel++) {
          this.data[at + channel] = this.data[at + channel]! * (1 - opacity) + color[channel]! * opacity;
        }
        this.data[at + 3] = 255;
      }
    }
  }

  /** Draws the frame of a rectangle, inside its edges. */
  frame(x: number, y: number, width: number, height: number, color: Rgb, thickness = 1): void {
    this.fill(x, y, width, thickness, color);
    this.fill(x, y + height - thickness, width, thickness, color);
    this.fill(x, y, thickness, height, color);
    this.fill(x + width - thickness, y, thickness, height, color);
  }

  /** Writes one line of text, its top left corner at (x, y), each dot of the font `scale` pixels wide. */
  text(text: string, x: number, y: number, color: Rgb, scale = 1): void {
    let left = x;
    for (const character of text) {
      for (const [i, bits] of characterColumns(character).entries()) {
        for (let row = 0; row < 7; row++) {
          if ((bits >> row) & 1) this.fill(left + i * scale, y + row * scale, scale, scale, color);
        }
      }
      left += characterSize.width * scale;
    }
  }

  /** Draws an image of [3, height, width] bytes enlarged by a whole factor. */
  planes(image: Uint8Array, width: number, height: number, x: number, y: number, scale: number): void {
    const plane = width * height;
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        const at = row * width + column;
        const color: Rgb = [image[at]!, image[at + plane]!, image[at + 2 * plane]!];
        this.fill(x + column * scale, y + row * scale, scale, scale, color);
      }
    }
  }

  /** Copies another picture. */
  paste(picture: RgbaImage, x: number, y: number): void {
    const width = Math.min(picture.width, this.width - x);
    for (let row = 0; row < Math.min(picture.height, this.height - y); row++) {
      const from = row * picture.width * 4;
      this.data.set(picture.data.subarray(from, from + width * 4), ((y + row) * this.width + x) * 4);
    }
  }
}
