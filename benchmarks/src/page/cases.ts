import type { Box, RgbImage } from "@villa/data";

/** What is measured. */
export const caseNames = ["product", "convolution", "regions"] as const;
export type CaseName = (typeof caseNames)[number];

/** One run of a case, to its end; returns what came out. */
export type Cases = Readonly<Record<CaseName, () => Promise<Float32Array>>>;

/** Side of the matrices. */
export const side = 1024;
/** A layer from the middle of RN50: images, channels in and out, height and width. */
export const layer = { images: 8, channels: 128, size: 28 };
export const regionsPerImage = 5;
const pixels = 84;

/** Files that both sides read, beside the page. */
export const weightFile = "rn50.safetensors";
export const graphFile = "rn50.onnx";

/** Values in −0.5 … 0.5, equal for all who ask for the same. */
export function values(length: number, seed: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => {
    const mixed = Math.imul((i + 1) ^ Math.imul(seed, 0x9e3779b1), 0x85ebca6b);
    return ((mixed ^ (mixed >>> 13)) & 0xffff) / 0xffff - 0.5;
  });
}

/** [images, channels, size, size] */
export const layerInput = (): Float32Array => values(layer.images * layer.channels * layer.size ** 2, 3);
/** [channels out, channels in, 3, 3] */
export const layerFilter = (): Float32Array => values(layer.channels ** 2 * 9, 4);

export function picture(): RgbImage {
  const data = Uint8Array.from(values(3 * pixels ** 2, 5), (value) => (value + 0.5) * 255);
  return { width: pixels, height: pixels, channels: 3, data };
}

export function boxes(): Box[] {
  const cell = pixels / 3;
  return Array.from({ length: regionsPerImage }, (_, i) => {
    const [x, y] = [cell * (i % 3), cell * Math.floor(i / 3)];
    return [x, y, x + cell, y + cell];
  });
}
