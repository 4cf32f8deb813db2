import { checkArgument, checkBytes } from "../check-arguments.ts";
import { BackwardBits } from "./bits.ts";
import { damagedZstd } from "./damage.ts";
import { constantTable, FseState, type FseTable, fseTable, readFseTable } from "./fse.ts";
import { decodeHuffman, type HuffmanTable, readHuffmanTable } from "./literals.ts";
import { xxh64 } from "./xxh64.ts";

/** Content of a block at most, in bytes. */
const largestBlock = 2 ** 17;

/**
 * Decompresses Zstandard frames into bytes whose number is known. Every step is bounded by that number and by the input's,
 * and checksums are compared.
 *
 * @throws VillaError `InvalidFile` for data that are damaged, of another size, or need a dictionary
 * @see RFC 8878
 */
export function decompressZstd(input: Uint8Array, size: number): Uint8Array {
  checkBytes(input);
  checkArgument("size", size, "count");
  const out = new Uint8Array(size);
  let [at, written] = [0, 0];
  while (at < input.length) {
    const magic = uint(input, at, 4);
    if (magic >>> 4 === 0x184d2a5) {
      at += 8 + uint(input, at + 4, 4);
      if (at > input.length) throw damagedZstd();
    } else {
      if (magic !== 0xfd2fb528) throw damagedZstd();
      const frame = new Frame(input, at + 4, out, written);
      ({ at, written } = frame.decode());
    }
  }
  if (written !== size) throw damagedZstd();
  return out;
}

interface Code {
  readonly usual: FseTable;
  readonly accuracy: number;
  readonly symbols: number;
}

const code = (accuracy: number, shares: readonly number[], highest: number, symbols = shares.length): Code => ({
  usual: fseTable(shares, accuracy),
  accuracy: highest,
  symbols,
});
const repeated = (value: number, count: number): number[] => new Array<number>(count).fill(value);

// RFC 8878, 3.1.1.3.2.2: the codes of literal lengths, offsets and match lengths that need no description.
const literalLengths = code(
  6,
  [4, 3, ...repeated(2, 11), 1, 1, 1, ...repeated(2, 9), 3, 2, ...repeated(1, 5), ...repeated(-1, 4)],
  9,
);
const offsets = code(5, [...repeated(1, 6), 2, 2, 2, ...repeated(1, 15), ...repeated(-1, 5)], 8, 32);
const matchLengths = code(6, [1, 4, 3, ...repeated(2, 6), ...repeated(1, 37), ...repeated(-1, 7)], 9);

/** Lengths by their codes: a base, and bits that are added. */
class Lengths {
  readonly bases: number[] = [];

  constructor(
    base: number,
    readonly bits: readonly number[],
  ) {
    let next = base;
    for (const count of bits) {
      this.bases.push(next);
      next += 2 ** count;
    }
  }

  read(symbol: number, stream: BackwardBits): number {
    return this.bases[symbol]! + stream.read(this.bits[symbol]!);
  }
}

const growing = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const literalLength = new Lengths(0, [...repeated(0, 16), 1, 1, 1, 1, 2, 2, 3, 3, 4, ...growing(6, 16)]);
const matchLength = new Lengths(3, [...repeated(0, 32), 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, ...growing(7, 16)]);

class Frame {
  readonly #input: Uint8Array;
  readonly #out: Uint8Array;
  readonly #start: number;
  #at: number;
  #written: number;
  #huffman: HuffmanTable | undefined;
  /** Of literal lengths, offsets and match lengths. */
  readonly #tables: (FseTable | undefined)[] = [undefined, undefined, undefined];
  #recent: [number, number, number] = [1, 4, 8];

  constructor(input: Uint8Array, at: number, out: Uint8Array, written: number) {
    this.#input = input;
    this.#at = at;
    this.#out = out;
    this.#start = written;
    this.#written = written;
  }

  decode(): { at: number; written: number } {
    const descriptor = this.#number(1);
    const isSingle = (descriptor & 32) !== 0;
    if ((descriptor & 8) !== 0) throw damagedZstd();
    if (!isSingle) this.#number(1); // the window: all that was written is at hand
    if (this.#number([0, 1, 2, 4][descriptor & 3]!) !== 0) throw damagedZstd(); // a dictionary
    const sizeFlag = descriptor >> 6;
    const sizeBytes = sizeFlag === 0 ? Number(isSingle) : 2 ** sizeFlag;
    const size = this.#number(sizeBytes) + (sizeFlag === 1 ? 256 : 0);
    if (sizeBytes > 0 && size > this.#out.length - this.#start) throw damagedZstd();
    for (let isLast = false; !isLast; ) {
      const header = this.#number(3);
      isLast = (header & 1) === 1;
      this.#block((header >> 1) & 3, header >> 3);
    }
    const content = this.#out.subarray(this.#start, this.#written);
    if (sizeBytes > 0 && content.length !== size) throw damagedZstd();
    if ((descriptor & 4) !== 0 && this.#number(4) !== Number(xxh64(content) & 0xffff_ffffn)) throw damagedZstd();
    return { at: this.#at, written: this.#written };
  }

  #block(type: number, size: number): void {
    if (type === 3) throw damagedZstd();
    if (type === 1) {
      this.#out.fill(this.#number(1), this.#written, this.#room(size));
      this.#written += size;
      return;
    }
    if (size > largestBlock) throw damagedZstd();
    const bytes = this.#take(size);
    if (type === 0) this.#write(bytes);
    else this.#compressed(bytes);
  }

  #compressed(block: Uint8Array): void {
    const { literals, end } = this.#literals(block);
    let at = end;
    let count = uint(block, at++, 1);
    if (count >= 128) {
      count = count === 255 ? uint(block, at, 2) + 0x7f00 : ((count - 128) << 8) + uint(block, at, 1);
      at += count >= 0x7f00 ? 2 : 1;
    }
    if (count === 0) {
      this.#write(literals);
      return;
    }
    const modes = uint(block, at++, 1);
    if ((modes & 3) !== 0) throw damagedZstd();
    for (const [i, own] of [literalLengths, offsets, matchLengths].entries()) {
      const mode = (modes >> (6 - 2 * i)) & 3;
      if (mode === 0) this.#tables[i] = own.usual;
      else if (mode === 1) {
        const symbol = uint(block, at++, 1);
        if (symbol >= own.symbols) throw damagedZstd();
        this.#tables[i] = constantTable(symbol);
      } else if (mode === 2) {
        const read = readFseTable(block, at, own);
        this.#tables[i] = read.table;
        at = read.end;
      }
    }
    this.#sequences(literals, count, block.subarray(at));
  }

  #sequences(literals: Uint8Array, count: number, bytes: Uint8Array): void {
    const [forLiterals, forOffsets, forMatches] = this.#tables;
    if (!forLiterals || !forOffsets || !forMatches) throw damagedZstd();
    const bits = new BackwardBits(bytes);
    const literalState = new FseState(forLiterals, bits);
    const offsetState = new FseState(forOffsets, bits);
    const matchState = new FseState(forMatches, bits);
    let used = 0;
    for (let i = 0; i < count; i++) {
      const value = 2 ** offsetState.symbol + bits.read(offsetState.symbol);
      const length = matchLength.read(matchState.symbol, bits);
      const before = literalLength.read(literalState.symbol, bits);
      if (i + 1 < count) {
        literalState.advance(bits);
        matchState.advance(bits);
        offsetState.advance(bits);
      }
      if (bits.left < 0 || used + before > literals.length) throw damagedZstd();
      this.#room(before);
      // Mostly a few bytes, for which a loop is faster than a view.
      for (const end = used + before; used < end; ) this.#out[this.#written++] = literals[used++]!;
      this.#copy(this.#offset(value, before), length);
    }
    if (bits.left !== 0) throw damagedZstd();
    this.#write(literals.subarray(used));
  }

  /** Values 1 to 3 are offsets that were used last; RFC 8878, 3.1.1.5. */
  #offset(value: number, literals: number): number {
    const [first, second, third] = this.#recent;
    if (value > 3) {
      this.#recent = [value - 3, first, second];
      return value - 3;
    }
    const which = literals === 0 ? value : value - 1;
    if (which === 0) return first;
    const offset = which === 1 ? second : which === 2 ? third : first - 1;
    this.#recent = which === 1 ? [second, first, third] : [offset, first, second];
    return offset;
  }

  #copy(offset: number, length: number): void {
    const end = this.#room(length);
    if (offset <= 0 || offset > this.#written - this.#start) throw damagedZstd();
    const out = this.#out;
    if (offset >= length && length > 32) out.copyWithin(this.#written, this.#written - offset, end - offset);
    else for (let at = this.#written; at < end; at++) out[at] = out[at - offset]!;
    this.#written = end;
  }

  #literals(block: Uint8Array): { literals: Uint8Array; end: number } {
    const first = uint(block, 0, 1);
    const [type, format] = [first & 3, (first >> 2) & 3];
    if (type < 2) {
      const header = format === 3 ? 3 : format === 1 ? 2 : 1;
      const size = uint(block, 0, header) >> (header === 1 ? 3 : 4);
      const end = header + (type === 0 ? size : 1);
      if (end > block.length || size > largestBlock) throw damagedZstd();
      const literals = type === 0 ? block.subarray(header, end) : new Uint8Array(size).fill(block[header]!);
      return { literals, end };
    }
    const header = Math.max(3, format + 2);
    const width = [10, 10, 14, 18][format]!;
    const sizes = Math.floor(uint(block, 0, header) / 16);
    const size = sizes % 2 ** width;
    const end = header + Math.floor(sizes / 2 ** width);
    if (end > block.length || size > largestBlock) throw damagedZstd();
    let bytes = block.subarray(header, end);
    if (type === 2) {
      const read = readHuffmanTable(bytes);
      this.#huffman = read.table;
      bytes = bytes.subarray(read.end);
    }
    if (!this.#huffman) throw damagedZstd();
    const literals = new Uint8Array(size);
    if (format === 0) decodeHuffman(this.#huffman, bytes, literals);
    else decodeFour(this.#huffman, bytes, literals);
    return { literals, end };
  }

  #write(bytes: Uint8Array): void {
    const end = this.#room(bytes.length);
    this.#out.set(bytes, this.#written);
    this.#written = end;
  }

  /** @returns where so many more bytes end */
  #room(length: number): number {
    if (length > this.#out.length - this.#written) throw damagedZstd();
    return this.#written + length;
  }

  #take(length: number): Uint8Array {
    if (length > this.#input.length - this.#at) throw damagedZstd();
    this.#at += length;
    return this.#input.subarray(this.#at - length, this.#at);
  }

  #number(bytes: number): number {
    this.#at += bytes;
    return uint(this.#input, this.#at - bytes, bytes);
  }
}

/** Four streams of equal length, but for the last one. */
function decodeFour(table: HuffmanTable, bytes: Uint8Array, out: Uint8Array): void {
  const part = (out.length + 3) >> 2;
  let at = 6;
  for (let i = 0; i < 4; i++) {
    const end = i < 3 ? at + uint(bytes, 2 * i, 2) : bytes.length;
    if (end > bytes.length || at > end || 3 * part > out.length) throw damagedZstd();
    decodeHuffman(table, bytes.subarray(at, end), out.subarray(i * part, i < 3 ? (i + 1) * part : out.length));
    at = end;
  }
}

/** A little-endian number of up to 8 bytes. */
function uint(bytes: Uint8Array, at: number, length: number): number {
  if (at + length > bytes.length) throw damagedZstd();
  let value = 0;
  for (let i = length - 1; i >= 0; i--) value = value * 256 + bytes[at + i]!;
  return value;
}
