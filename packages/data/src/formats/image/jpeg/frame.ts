import { VillaError } from "../../../errors.ts";
import type { Allowance } from "../../limits.ts";

/** One colour component of a JPEG. */
export interface JpegComponent {
  readonly id: number;
  /** Sampling factors. */
  readonly h: number;
  readonly v: number;
  readonly quantization: number;
  /** Samples of the image, without the padding of blocks. */
  readonly width: number;
  readonly height: number;
  /** Blocks of 8 × 8 samples, padded to whole units of all components. */
  readonly blocksWide: number;
  readonly blocksHigh: number;
  /** Blocks that a scan of this component alone holds. */
  readonly ownWide: number;
  readonly ownHigh: number;
  /** [8 · blocksHigh, 8 · blocksWide] */
  readonly samples: Uint8Array;
  /** [blocks, 64] of a progressive image, natural order. */
  readonly coefficients: Int16Array | undefined;
}

/** What a JPEG's frame header says, with memory for what the scans hold. */
export interface JpegFrame {
  readonly width: number;
  readonly height: number;
  readonly progressive: boolean;
  readonly components: readonly JpegComponent[];
  readonly maxH: number;
  readonly maxV: number;
  /** Units of interleaved scans. */
  readonly unitsWide: number;
  readonly unitsHigh: number;
}

/** Reads SOF0, SOF1 or SOF2. @throws VillaError `InvalidFile`, `Unsupported`, `UnsafeFile` beyond the limits */
export function readFrame(body: Uint8Array, progressive: boolean, allowance: Allowance): JpegFrame {
  if (body.length < 6) throw damaged("its frame header is malformed");
  const precision = body[0]!;
  const height = (body[1]! << 8) | body[2]!;
  const width = (body[3]! << 8) | body[4]!;
  const count = body[5]!;
  if (precision !== 8) throw new VillaError("Unsupported", `A JPEG of ${precision} bits a sample cannot be read.`);
  if (height === 0) throw new VillaError("Unsupported", "A JPEG that does not say its height cannot be read.");
  if (width === 0 || count === 0 || body.length !== 6 + 3 * count) throw damaged("its frame header is malformed");
  if (count !== 1 && count !== 3 && count !== 4) {
    throw new VillaError("Unsupported", `A JPEG of ${count} colour components cannot be read.`);
  }
  allowance.checkPixels(width, height);
  const headers = Array.from({ length: count }, (_, i) => {
    const [id, factors, quantization] = body.subarray(6 + 3 * i) as unknown as [number, number, number];
    return { id, h: factors >> 4, v: factors & 15, quantization };
  });
  const isFactor = (factor: number) => factor >= 1 && factor <= 4;
  if (!headers.every(({ h, v, quantization }) => isFactor(h) && isFactor(v) && quantization < 4)) {
    throw damaged("its frame header is malformed");
  }
  if (new Set(headers.map(({ id }) => id)).size !== count) throw damaged("two of its components have the same number");
  const maxH = Math.max(...headers.map(({ h }) => h));
  const maxV = Math.max(...headers.map(({ v }) => v));
  const unitsWide = Math.ceil(width / (8 * maxH));
  const unitsHigh = Math.ceil(height / (8 * maxV));
  const components = headers.map(({ id, h, v, quantization }): JpegComponent => {
    if (maxH % h !== 0 || maxV % v !== 0) {
      throw new VillaError("Unsupported", "A JPEG whose components have fractional sampling cannot be read.");
    }
    const [blocksWide, blocksHigh] = [unitsWide * h, unitsHigh * v];
    const size = 64 * blocksWide * blocksHigh;
    allowance.take(progressive ? 3 * size : size, "The image");
    const [ownWidth, ownHeight] = [Math.ceil((width * h) / maxH), Math.ceil((height * v) / maxV)];
    return {
      id,
      h,
      v,
      quantization,
      blocksWide,
      blocksHigh,
      width: ownWidth,
      height: ownHeight,
      ownWide: Math.ceil(ownWidth / 8),
      ownHigh: Math.ceil(ownHeight / 8),
      samples: new Uint8Array(size),
      coefficients: progressive ? new Int16Array(size) : undefined,
    };
  });
  return { width, height, progressive, components, maxH, maxV, unitsWide, unitsHigh };
}

/** The error for what no JPEG writer makes, and libjpeg refuses too. */
export function damaged(why: string): VillaError {
  return new VillaError("InvalidFile", `The JPEG image is damaged: ${why}.`);
}
