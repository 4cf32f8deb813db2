import { VillaError } from "../../../errors.ts";
import type { Allowance } from "../../limits.ts";
import type { RgbImage } from "../rgb-image.ts";
import { type JpegColors, toRgb } from "./colors.ts";
import { type HuffmanTable, makeHuffmanTable } from "./entropy.ts";
import { damaged, type JpegFrame, readFrame } from "./frame.ts";
import { inverseDct } from "./inverse-dct.ts";
import { decodeScan, type JpegTables, zigzag } from "./scan.ts";

// ITU-T T.81. What libjpeg merely warns about is read as it does: stray bytes between parts, data that end too early in
// front of a marker, lost restart markers, bytes behind the end. A file that breaks off is refused.

const marker = {
  sof0: 0xc0,
  sof2: 0xc2,
  dht: 0xc4,
  eoi: 0xd9,
  sos: 0xda,
  dqt: 0xdb,
  dri: 0xdd,
  app0: 0xe0,
  app14: 0xee,
};
const mostScans = 1000;

/** Baseline and progressive JPEG, with the pixels that libjpeg gives. @see decodeImage */
export function decodeJpeg(bytes: Uint8Array, allowance: Allowance): RgbImage {
  const reader = new JpegReader(bytes, allowance);
  const frame = reader.read();
  const { width, height } = frame;
  allowance.take(3 * width * height, "The image");
  allowance.work(4 * width * height, "The image");
  return { width, height, channels: 3, data: toRgb(frame, reader.colors) };
}

class JpegReader {
  readonly #bytes: Uint8Array;
  readonly #allowance: Allowance;
  readonly #quantization: (Int32Array | undefined)[] = [];
  readonly #dc: (HuffmanTable | undefined)[] = [];
  readonly #ac: (HuffmanTable | undefined)[] = [];
  #restartInterval = 0;
  #frame: JpegFrame | undefined;
  #scans = 0;
  #hasJfif = false;
  #adobeTransform: number | undefined;

  constructor(bytes: Uint8Array, allowance: Allowance) {
    this.#bytes = bytes;
    this.#allowance = allowance;
  }

  get colors(): JpegColors {
    return { hasJfif: this.#hasJfif, adobeTransform: this.#adobeTransform };
  }

  read(): JpegFrame {
    const bytes = this.#bytes;
    let at = 2;
    for (;;) {
      // Whatever stands between parts is passed over, 255s before a marker are filling.
      while (at < bytes.length && bytes[at] !== 0xff) at++;
      while (at < bytes.length && bytes[at] === 0xff) at++;
      if (at >= bytes.length) throw damaged("it is truncated");
      const code = bytes[at++]!;
      if (code === marker.eoi) return this.#finish();
      const hasBody = code > 0x01 && !(code >= 0xd0 && code <= 0xd8);
      if (hasBody) at = this.#part(code, at);
    }
  }

  /** Reads one part; returns where it ends. */
  #part(code: number, at: number): number {
    const bytes = this.#bytes;
    const length = at + 2 <= bytes.length ? (bytes[at]! << 8) | bytes[at + 1]! : 0;
    const end = at + length;
    if (length < 2 || end > bytes.length) throw damaged("it is truncated, or a part of it has a wrong length");
    const body = bytes.subarray(at + 2, end);
    switch (code) {
      case marker.dqt:
        this.#readQuantization(body);
        return end;
      case marker.dht:
        this.#readHuffman(body);
        return end;
      case marker.dri:
        if (body.length !== 2) throw damaged("its restart interval is malformed");
        this.#restartInterval = (body[0]! << 8) | body[1]!;
        return end;
      case marker.app0:
        this.#hasJfif ||= startsWith(body, "JFIF\0");
        return end;
      case marker.app14:
        if (startsWith(body, "Adobe") && body.length >= 12) this.#adobeTransform = body[11]!;
        return end;
      case marker.sos:
        return this.#scan(body, end);
      default:
        if (code >= marker.sof0 && code < 0xd0 && code !== 0xc8) this.#readFrame(code, body);
        return end;
    }
  }

  #readFrame(code: number, body: Uint8Array): void {
    if (code > marker.sof2) {
      throw new VillaError("Unsupported", "Lossless, hierarchical and arithmetic-coded JPEGs cannot be read.");
    }
    if (this.#frame) throw damaged("it has two frames");
    this.#frame = readFrame(body, code === marker.sof2, this.#allowance);
  }

  #scan(body: Uint8Array, start: number): number {
    if (!this.#frame) throw damaged("a scan comes before the frame");
    if (++this.#scans > mostScans) {
      throw new VillaError("UnsafeFile", `JPEGs of more than ${mostScans} scans cannot be read.`);
    }
    const tables: JpegTables = {
      quantization: this.#quantization,
      dc: this.#dc,
      ac: this.#ac,
      restartInterval: this.#restartInterval,
    };
    return decodeScan(this.#bytes, { start, header: body, frame: this.#frame, tables, allowance: this.#allowance });
  }

  #finish(): JpegFrame {
    const frame = this.#frame;
    if (!frame || this.#scans === 0) throw damaged("it holds no image");
    for (const component of frame.components) {
      const { coefficients, blocksWide, blocksHigh } = component;
      if (!coefficients) continue;
      const quantization = this.#quantization[component.quantization];
      if (!quantization) throw damaged("a quantisation table is missing");
      this.#allowance.work(16 * blocksWide * blocksHigh, "The image");
      for (let block = 0; block < blocksWide * blocksHigh; block++) {
        inverseDct(coefficients, 64 * block, quantization, component, block);
      }
    }
    return frame;
  }

  #readQuantization(body: Uint8Array): void {
    for (let at = 0; at < body.length; ) {
      const [wide, number] = [body[at]! >> 4, body[at]! & 15];
      const size = wide === 0 ? 64 : 128;
      if (wide > 1 || number > 3 || at + 1 + size > body.length) throw damaged("a quantisation table is malformed");
      const table = new Int32Array(64);
      for (let k = 0; k < 64; k++) {
        const from = at + 1 + (wide === 0 ? k : 2 * k);
        table[zigzag[k]!] = wide === 0 ? body[from]! : (body[from]! << 8) | body[from + 1]!;
      }
      this.#quantization[number] = table;
      at += 1 + size;
    }
  }

  #readHuffman(body: Uint8Array): void {
    for (let at = 0; at < body.length; ) {
      const [kind, number] = [body[at]! >> 4, body[at]! & 15];
      const counts = body.subarray(at + 1, at + 17);
      const total = counts.reduce((sum, count) => sum + count, 0);
      const end = at + 17 + total;
      if (kind > 1 || number > 3 || total > 256 || end > body.length) throw damaged("a Huffman table is malformed");
      this.#allowance.work(1 << 14, "The image");
      (kind === 0 ? this.#dc : this.#ac)[number] = makeHuffmanTable(counts, body.subarray(at + 17, end));
      at = end;
    }
  }
}

function startsWith(body: Uint8Array, text: string): boolean {
  return [...text].every((character, i) => body[i] === character.charCodeAt(0));
}
