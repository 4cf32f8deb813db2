import { crc32 } from "@villa/data";
import { zlibSync } from "fflate";

/** A picture as canvases and PNG hold it. */
export interface RgbaImage {
  readonly width: number;
  readonly height: number;
  /** [height, width, 4] uint8 */
  readonly data: Uint8Array;
}

/** Encodes a picture as PNG, 8 bits a channel; without an alpha channel when every pixel is opaque. */
export function encodePng({ width, height, data }: RgbaImage): Uint8Array {
  const isOpaque = everyFourth(data, 255);
  const channels = isOpaque ? 3 : 4;
  const rows = new Uint8Array(height * (1 + width * channels));
  for (let y = 0, from = 0, to = 0; y < height; y++) {
    rows[to++] = 0; // filter "none": flat colours compress best as they are
    for (let x = 0; x < width; x++, from += 4) {
      for (let channel = 0; channel < channels; channel++) rows[to++] = data[from + channel]!;
    }
  }
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, isOpaque ? 2 : 6], 8);
  const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
  const chunks = [chunk("IHDR", header), chunk("IDAT", zlibSync(rows, { level: 6 })), chunk("IEND", new Uint8Array(0))];
  return concatenate([signature, ...chunks]);
}

function everyFourth(data: Uint8Array, value: number): boolean {
  for (let i = 3; i < data.length; i += 4) if (data[i] !== value) return false;
  return true;
}

function chunk(type: string, contents: Uint8Array): Uint8Array {
  const out = new Uint8Array(12 + contents.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, contents.length);
  for (let i = 0; i < 4; i++) out[4 + i] = type.charCodeAt(i);
  out.set(contents, 8);
  view.setUint32(8 + contents.length, crc32(out.subarray(4, 8 + contents.length)));
  return out;
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
