import { damaged } from "./frame.ts";

/** A Huffman table: for the next 16 bits, 256 · length + symbol; 0 where no code begins like that. */
export type HuffmanTable = Uint16Array;

/** @param counts codes of each length 1 … 16 @throws VillaError `InvalidFile` when they do not fit */
export function makeHuffmanTable(counts: Uint8Array, symbols: Uint8Array): HuffmanTable {
  const table = new Uint16Array(1 << 16);
  let code = 0;
  let next = 0;
  for (let length = 1; length <= 16; length++) {
    const span = 1 << (16 - length);
    for (let i = 0; i < counts[length - 1]!; i++) {
      // No code is all ones.
      if (code + span >= 1 << 16) throw damaged("a Huffman table has too many codes");
      table.fill((length << 8) | symbols[next++]!, code, code + span);
      code += span;
    }
  }
  return table;
}

/**
 * The bits of a scan. Where libjpeg only warns, this goes on as it does: behind the data's end there are zeros, an invalid code
 * counts as 0, and restart markers that are not the expected ones are skipped or waited for.
 */
export class EntropyReader {
  /** Whether the data of this interval have ended too early: from then on blocks stay empty. */
  insufficient = false;
  readonly #bytes: Uint8Array;
  #at: number;
  #bits = 0;
  #count = 0;
  /** How many of the last bits are not in the file. */
  #padding = 0;
  /** The marker that stopped the reading, 0 if none; `#at` is behind it. */
  #marker = 0;

  constructor(bytes: Uint8Array, start: number) {
    this.#bytes = bytes;
    this.#at = start;
  }

  /** Where the scan's data ended: at a marker, or at the end of the file. */
  get end(): number {
    return this.#marker === 0 ? this.#at : this.#at - 2;
  }

  /** The value of the next code. */
  symbol(table: HuffmanTable): number {
    if (this.#count < 16) this.#fill();
    const entry = table[(this.#bits >>> (this.#count - 16)) & 0xffff]!;
    const length = entry >> 8;
    this.#drop(length === 0 ? 17 : length);
    return entry & 255;
  }

  /** The next bits as a number. */
  bits(length: number): number {
    if (length === 0) return 0;
    if (this.#count < 16) this.#fill();
    const value = (this.#bits >>> (this.#count - length)) & ((1 << length) - 1);
    this.#drop(length);
    return value;
  }

  /** A number of `length` bits with its sign, as coefficients are written. */
  signed(length: number): number {
    const value = this.bits(length);
    return length > 0 && value < 1 << (length - 1) ? value - (1 << length) + 1 : value;
  }

  /** Goes to the next restart marker, of number `expected`. */
  restart(expected: number): void {
    this.#bits = this.#count = this.#padding = 0;
    if (this.#marker === 0) this.#nextMarker();
    while (this.#marker !== 0xd0 + expected) {
      if (this.#marker === 0) return;
      const ahead = (this.#marker - 0xd0 - expected) & 7;
      const isRestart = this.#marker >= 0xd0 && this.#marker <= 0xd7;
      // A marker of the near future, or of something else: the data of this interval are missing.
      if (isRestart ? ahead === 1 || ahead === 2 : this.#marker >= 0xc0) return;
      // One that is far away stands for the expected one; one of the past, or none at all, is passed over.
      if (isRestart && ahead < 6) break;
      this.#nextMarker();
    }
    this.#marker = 0;
    this.insufficient = false;
  }

  #drop(length: number): void {
    this.#count -= length;
    if (this.#count >= this.#padding) return;
    this.#padding = this.#count;
    this.insufficient = true;
  }

  #fill(): void {
    while (this.#count <= 16) {
      const byte = this.#byte();
      if (byte < 0) this.#padding += 8;
      this.#bits = (this.#bits << 8) | Math.max(0, byte);
      this.#count += 8;
    }
  }

  /** The next byte of data, -1 behind their end. */
  #byte(): number {
    if (this.#marker !== 0 || this.#at >= this.#bytes.length) return -1;
    const byte = this.#bytes[this.#at++]!;
    if (byte !== 0xff) return byte;
    // Behind 255: a zero makes it a byte of data, more 255s are filling, anything else is a marker.
    let code = 0xff;
    while (code === 0xff && this.#at < this.#bytes.length) code = this.#bytes[this.#at++]!;
    if (code === 0) return 0xff;
    this.#marker = code;
    return -1;
  }

  #nextMarker(): void {
    this.#marker = 0;
    const { length } = this.#bytes;
    while (this.#marker === 0) {
      while (this.#at < length && this.#bytes[this.#at] !== 0xff) this.#at++;
      while (this.#at < length && this.#bytes[this.#at] === 0xff) this.#at++;
      if (this.#at >= length) return;
      this.#marker = this.#bytes[this.#at++]!;
    }
  }
}
