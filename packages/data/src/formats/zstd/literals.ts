import { BackwardBits } from "./bits.ts";
import { damagedZstd } from "./damage.ts";
import { FseState, readFseTable } from "./fse.ts";

/** A Huffman code: the symbol and the length of every prefix. */
export interface HuffmanTable {
  readonly longest: number;
  readonly symbols: Uint8Array;
  readonly lengths: Uint8Array;
}

const longestCode = 11;

/**
 * Reads the description of a Huffman code.
 *
 * @returns the table, and where the bytes go on
 * @see RFC 8878, 4.2.1
 */
export function readHuffmanTable(bytes: Uint8Array): { table: HuffmanTable; end: number } {
  const header = bytes[0] ?? 0;
  if (header < 128) {
    const end = 1 + header;
    if (end > bytes.length) throw damagedZstd();
    return { table: huffmanTable(compressedWeights(bytes.subarray(1, end))), end };
  }
  const count = header - 127;
  const end = 1 + ((count + 1) >> 1);
  if (end > bytes.length) throw damagedZstd();
  const weights = Array.from({ length: count }, (_, i) => (bytes[1 + (i >> 1)]! >> (i % 2 === 0 ? 4 : 0)) & 15);
  return { table: huffmanTable(weights), end };
}

/** Two states take turns until the bits are used up. */
function compressedWeights(bytes: Uint8Array): number[] {
  const { table, end } = readFseTable(bytes, 0, { accuracy: 6, symbols: 16 });
  const bits = new BackwardBits(bytes.subarray(end));
  let [state, other] = [new FseState(table, bits), new FseState(table, bits)];
  const weights: number[] = [];
  while (weights.length < 255) {
    weights.push(state.symbol);
    state.advance(bits);
    [state, other] = [other, state];
    if (bits.left < 0) {
      weights.push(state.symbol);
      return weights;
    }
  }
  throw damagedZstd();
}

/** The last weight is not written: it is what makes the sum a power of two. */
function huffmanTable(weights: number[]): HuffmanTable {
  const share = (weight: number) => (weight === 0 ? 0 : 2 ** (weight - 1));
  const sum = weights.reduce((total, weight) => total + share(weight), 0);
  if (sum === 0 || weights.some((weight) => weight > longestCode)) throw damagedZstd();
  const longest = 1 + Math.floor(Math.log2(sum));
  const rest = 2 ** longest - sum;
  const last = 1 + Math.log2(rest);
  if (longest > longestCode || !Number.isInteger(last) || weights.length > 255) throw damagedZstd();
  const all = [...weights, last];
  const symbols = new Uint8Array(1 << longest);
  const lengths = new Uint8Array(1 << longest);
  let at = 0;
  for (let weight = 1; weight <= longest; weight++) {
    for (const [symbol, own] of all.entries()) {
      if (own !== weight) continue;
      const end = at + share(weight);
      symbols.fill(symbol, at, end);
      lengths.fill(longest + 1 - weight, at, end);
      at = end;
    }
  }
  return { longest, symbols, lengths };
}

/** Decodes one stream, which has to end with the last symbol. */
export function decodeHuffman(table: HuffmanTable, bytes: Uint8Array, out: Uint8Array): void {
  const bits = new BackwardBits(bytes);
  for (let i = 0; i < out.length; i++) {
    const prefix = bits.peek(table.longest);
    out[i] = table.symbols[prefix]!;
    bits.left -= table.lengths[prefix]!;
    if (bits.left < 0) throw damagedZstd();
  }
  if (bits.left !== 0) throw damagedZstd();
}
