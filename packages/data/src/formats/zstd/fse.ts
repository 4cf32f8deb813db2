import type { BackwardBits } from "./bits.ts";
import { damagedZstd } from "./damage.ts";

/** A table of a finite state entropy code: what a state stands for, and how the next one is found. */
export interface FseTable {
  readonly accuracy: number;
  readonly symbols: Uint8Array;
  readonly bits: Uint8Array;
  readonly bases: Uint16Array;
}

/** A code of one symbol, which takes no bits. */
export function constantTable(symbol: number): FseTable {
  return { accuracy: 0, symbols: Uint8Array.of(symbol), bits: new Uint8Array(1), bases: new Uint16Array(1) };
}

/**
 * A table by the shares of its symbols.
 *
 * @param shares of 2^accuracy; -1 for less than one
 * @see RFC 8878, 4.1.1
 */
export function fseTable(shares: readonly number[], accuracy: number): FseTable {
  const size = 1 << accuracy;
  const symbols = new Uint8Array(size);
  const next = shares.map((share) => Math.max(1, share));
  let high = size - 1;
  for (const [symbol, share] of shares.entries()) if (share === -1) symbols[high--] = symbol;
  const step = (size >> 1) + (size >> 3) + 3;
  let place = 0;
  for (const [symbol, share] of shares.entries()) {
    for (let i = 0; i < share; i++) {
      symbols[place] = symbol;
      do place = (place + step) & (size - 1);
      while (place > high);
    }
  }
  const bits = new Uint8Array(size);
  const bases = new Uint16Array(size);
  for (let state = 0; state < size; state++) {
    const symbol = symbols[state]!;
    const occurrence = next[symbol]!++;
    bits[state] = accuracy - (31 - Math.clz32(occurrence));
    bases[state] = (occurrence << bits[state]!) - size;
  }
  return { accuracy, symbols, bits, bases };
}

/**
 * Reads the shares of a table.
 *
 * @returns the table, and where the bytes go on
 */
export function readFseTable(
  bytes: Uint8Array,
  start: number,
  { accuracy: highest, symbols: most }: { readonly accuracy: number; readonly symbols: number },
): { table: FseTable; end: number } {
  let bit = start * 8;
  const peek = (count: number): number => {
    const from = bit >> 3;
    const word = (bytes[from] ?? 0) | ((bytes[from + 1] ?? 0) << 8) | ((bytes[from + 2] ?? 0) << 16);
    return (word >>> (bit & 7)) & ((1 << count) - 1);
  };
  const accuracy = 5 + peek(4);
  bit += 4;
  if (accuracy > highest) throw damagedZstd();
  const shares: number[] = [];
  let left = 1 << accuracy;
  while (left > 0) {
    if (shares.length >= most || bit > bytes.length * 8) throw damagedZstd();
    // A share is 0 to left + 1; the small ones of an uneven number of choices take a bit less.
    const width = 32 - Math.clz32(left + 1);
    const short = (1 << width) - 2 - left;
    const low = peek(width - 1);
    let value = peek(width);
    if (low < short) {
      value = low;
      bit += width - 1;
    } else {
      if (value >= 1 << (width - 1)) value -= short;
      bit += width;
    }
    const share = value - 1;
    shares.push(share);
    left -= Math.abs(share);
    if (share !== 0) continue;
    for (let zeros = 3; zeros === 3; ) {
      zeros = peek(2);
      bit += 2;
      if (shares.length + zeros > most || bit > bytes.length * 8) throw damagedZstd();
      for (let i = 0; i < zeros; i++) shares.push(0);
    }
  }
  if (left < 0 || bit > bytes.length * 8) throw damagedZstd();
  return { table: fseTable(shares, accuracy), end: (bit + 7) >> 3 };
}

/** Walks from state to state. */
export class FseState {
  readonly #table: FseTable;
  #state: number;

  constructor(table: FseTable, bits: BackwardBits) {
    this.#table = table;
    this.#state = bits.read(table.accuracy);
  }

  get symbol(): number {
    return this.#table.symbols[this.#state]!;
  }

  advance(bits: BackwardBits): void {
    this.#state = this.#table.bases[this.#state]! + bits.read(this.#table.bits[this.#state]!);
  }
}
