import { crcTables } from "@villa/data";

// An image file is mostly its coordinate table: three int64 per stored pixel, of which seven bytes in eight are zero. A
// general deflate spends most of the generator's time on it. This one knows the table's pattern: every element repeats
// the seven zero bytes before it, so it is one literal byte and one match at distance 8. The Huffman code is fixed in
// advance. The result is an ordinary deflate stream. The price is size: a whole file is about twice what zlib makes.

const endOfBlock = 256;
/** Bits of each literal or length symbol; they form a complete prefix code. */
const symbolLengths = makeSymbolLengths();
const symbolCodes = canonicalCodes(symbolLengths);
/** Distance 8 = code 5 (one bit, "0") and its extra bit, set. */
const distanceBits = 0b10;
const distanceLength = 2;

/** Code and bit count of [literal, 7 bytes again from 8 bytes back], by literal. */
const elementCodes = new Uint32Array(256);
const elementLengths = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  const literalBits = symbolLengths[byte]!;
  const seven = symbolCodes[261]! | (distanceBits << symbolLengths[261]!);
  elementCodes[byte] = symbolCodes[byte]! | (seven << literalBits);
  elementLengths[byte] = literalBits + symbolLengths[261]! + distanceLength;
}

/** `advances[k·1024 + …]`: {@link advance}'s tables. `runs[k·256 + byte]`: state 0 after 2ᵏ times a byte and 7 zeros. */
const doublings = 18; // 3·256·256 values need 18
const advances = new Int32Array(doublings * 1024);
const runs = new Int32Array(doublings * 256);
advances.set(crcTables.subarray(1024, 2048));
for (let byte = 0; byte < 256; byte++) runs[byte] = sumUp(0, byte);
for (let k = 1; k < doublings; k++) {
  for (let i = 0; i < 1024; i++) advances[k * 1024 + i] = advance(k - 1, advances[(k - 1) * 1024 + i]!);
  for (let i = 0; i < 256; i++) runs[k * 256 + i] = advance(k - 1, runs[(k - 1) * 256 + i]!) ^ runs[(k - 1) * 256 + i]!;
}

/** Compresses bytes that are a header followed by little-endian int64 values of 0…255, and sums them up as CRC-32. */
export class CoordinateDeflater {
  /** The compressed stream; the first `length` bytes count after {@link finish}. */
  readonly bytes: Uint8Array;
  length = 0;
  #crc = 0;
  #bits = 0;
  #bitCount = 0;
  #isFirst = true;

  /** @param capacity largest number of values */
  constructor(capacity: number) {
    this.bytes = new Uint8Array(512 + capacity * 6);
  }

  /** Starts a stream with plain bytes. */
  start(header: Uint8Array): void {
    this.length = 0;
    this.#crc = -1;
    this.#bits = this.#bitCount = 0;
    this.#isFirst = true;
    this.bytes.set(blockHeader.bytes);
    this.length = blockHeader.wholeBytes;
    this.#put(blockHeader.bytes[blockHeader.wholeBytes]!, blockHeader.restBits);
    for (const byte of header) {
      this.#put(symbolCodes[byte]!, symbolLengths[byte]!);
      this.#crc = (this.#crc >>> 8) ^ crcTables[(this.#crc ^ byte) & 255]!;
    }
  }

  /** Adds one value `count` times. */
  run(value: number, count: number): void {
    if (count === 0) return;
    if (this.#isFirst) {
      this.#first(value);
      if (count > 1) this.#repeat(8 * (count - 1));
    } else {
      this.#put(symbolCodes[value]!, symbolLengths[value]!);
      this.#repeat(8 * count - 1);
    }
    this.#crc = sumUpRun(this.#crc, value, count);
  }

  /** Adds the first `count` of `values`. */
  values(values: Uint8Array, count: number): void {
    if (count === 0) return;
    let i = 0;
    if (this.#isFirst) {
      this.#first(values[0]!);
      this.#crc = sumUp(this.#crc, values[0]!);
      i = 1;
    }
    const { bytes } = this;
    let crc = this.#crc;
    let bits = this.#bits;
    let bitCount = this.#bitCount;
    let at = this.length;
    for (; i < count; i++) {
      const value = values[i]!;
      crc = sumUp(crc, value);
      bits |= elementCodes[value]! << bitCount;
      bitCount += elementLengths[value]!;
      while (bitCount >= 8) {
        bytes[at++] = bits;
        bits >>>= 8;
        bitCount -= 8;
      }
    }
    this.#crc = crc;
    this.#bits = bits;
    this.#bitCount = bitCount;
    this.length = at;
  }

  /** Ends the stream. @returns the CRC-32 of what was put in, unsigned */
  finish(): number {
    this.#put(symbolCodes[endOfBlock]!, symbolLengths[endOfBlock]!);
    if (this.#bitCount > 0) this.bytes[this.length++] = this.#bits;
    return ~this.#crc >>> 0;
  }

  /** The first value has no zeros behind it yet. */
  #first(value: number): void {
    this.#put(symbolCodes[value]!, symbolLengths[value]!);
    for (let i = 0; i < 7; i++) this.#put(symbolCodes[0]!, symbolLengths[0]!);
    this.#isFirst = false;
  }

  /** Copies `length` bytes from 8 bytes back: multiples of 8, or one less. */
  #repeat(length: number): void {
    let left = length;
    for (; left > 258; left -= 256) this.#match(256);
    if (left > 0) this.#match(left);
  }

  #match(length: number): void {
    const { symbol, extra, extraBits } = lengthSymbol(length);
    this.#put(symbolCodes[symbol]!, symbolLengths[symbol]!);
    this.#put(extra, extraBits);
    this.#put(distanceBits, distanceLength);
  }

  #put(code: number, count: number): void {
    this.#bits |= code << this.#bitCount;
    this.#bitCount += count;
    while (this.#bitCount >= 8) {
      this.bytes[this.length++] = this.#bits;
      this.#bits >>>= 8;
      this.#bitCount -= 8;
    }
  }
}

/** CRC-32 state after a byte and seven zeros. */
function sumUp(crc: number, byte: number): number {
  const low = crc ^ byte;
  return (
    crcTables[1792 + (low & 255)]! ^
    crcTables[1536 + ((low >>> 8) & 255)]! ^
    crcTables[1280 + ((low >>> 16) & 255)]! ^
    crcTables[1024 + (low >>> 24)]!
  );
}

/** CRC-32 state after `count` times a byte and seven zeros. Doubling: one step a bit of `count`. */
function sumUpRun(crc: number, byte: number, count: number): number {
  let state = crc;
  for (let k = 0; count >> k > 0; k++) {
    if ((count >> k) & 1) state = advance(k, state) ^ runs[(k << 8) + byte]!;
  }
  return state;
}

/** CRC-32 state after 8·2ᵏ zero bytes. */
function advance(k: number, state: number): number {
  const t = k << 10;
  return (
    advances[t + 768 + (state & 255)]! ^
    advances[t + 512 + ((state >>> 8) & 255)]! ^
    advances[t + 256 + ((state >>> 16) & 255)]! ^
    advances[t + (state >>> 24)]!
  );
}

/** Deflate's symbol for a match length of 3…258 (RFC 1951, 3.2.5). */
function lengthSymbol(length: number): { symbol: number; extra: number; extraBits: number } {
  if (length === 258) return { symbol: 285, extra: 0, extraBits: 0 };
  if (length < 11) return { symbol: 254 + length, extra: 0, extraBits: 0 };
  const extraBits = 29 - Math.clz32(length - 3);
  const steps = length - 3 - (4 << extraBits);
  return { symbol: 261 + 4 * extraBits + (steps >> extraBits), extra: steps & ((1 << extraBits) - 1), extraBits };
}

/**
 * Half of all symbols are the match of seven bytes: one bit. Coordinates below 128 take 9 bits, others 11, the remaining
 * symbols 7 or 8: 1/2 + 128/2⁹ + 128/2¹¹ + 19/2⁷ + 10/2⁸ = 1.
 */
function makeSymbolLengths(): Uint8Array {
  const lengths = new Uint8Array(286);
  lengths.fill(9, 0, 128);
  lengths.fill(11, 128, 256);
  lengths.fill(8, 256, 266);
  lengths.fill(7, 266);
  lengths[266] = 8; // takes the place of 261
  lengths[261] = 1;
  return lengths;
}

/** Canonical Huffman codes with their bits reversed, as the stream holds them. */
function canonicalCodes(lengths: ArrayLike<number>): Uint32Array {
  const codes = new Uint32Array(lengths.length);
  let code = 0;
  for (let length = 1; length <= 15; length++) {
    for (let symbol = 0; symbol < lengths.length; symbol++) {
      if (lengths[symbol] !== length) continue;
      for (let bit = 0; bit < length; bit++) if ((code >> bit) & 1) codes[symbol]! |= 1 << (length - 1 - bit);
      code++;
    }
    code <<= 1;
  }
  return codes;
}

/** The start of a deflate block with the code above: BFINAL, BTYPE 2 and the code lengths, in a three-bit code each. */
const blockHeader = makeBlockHeader();

function makeBlockHeader(): { bytes: Uint8Array; wholeBytes: number; restBits: number } {
  const bytes = new Uint8Array(256);
  let bit = 0;
  const put = (value: number, count: number): void => {
    for (let i = 0; i < count; i++, bit++) if ((value >> i) & 1) bytes[bit >> 3]! |= 1 << (bit & 7);
  };
  // Eight symbols of the code-length code, three bits each: the lengths in use, and 16 = "repeat the last 3…6 times".
  const used = [0, 1, 7, 8, 9, 11, 16, 17];
  const order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1];
  const codes = canonicalCodes(Array.from({ length: 19 }, (_, symbol) => (used.includes(symbol) ? 3 : 0)));
  const lengths = [...symbolLengths, 0, 0, 0, 0, 0, 1]; // distance codes 0…5
  put(1, 1);
  put(2, 2);
  put(286 - 257, 5);
  put(6 - 1, 5);
  put(order.length - 4, 4);
  for (const symbol of order) put(used.includes(symbol) ? 3 : 0, 3);
  for (let i = 0; i < lengths.length; ) {
    const length = lengths[i]!;
    put(codes[length]!, 3);
    i++;
    let repeats = 0;
    while (repeats < 6 && lengths[i + repeats] === length) repeats++;
    if (repeats >= 3) {
      put(codes[16]!, 3);
      put(repeats - 3, 2);
      i += repeats;
    }
  }
  return { bytes, wholeBytes: bit >> 3, restBits: bit & 7 };
}
