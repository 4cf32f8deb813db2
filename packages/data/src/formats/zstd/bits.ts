import { damagedZstd } from "./damage.ts";

/**
 * Bits of a Zstandard stream that is read from its end; the highest bit that is set in the last byte marks the end.
 * In front of the first byte there are zeros, and {@link left} is negative.
 */
export class BackwardBits {
  readonly #bytes: Uint8Array;
  /** Bits that were not read yet. */
  left: number;

  constructor(bytes: Uint8Array) {
    const last = bytes.at(-1) ?? 0;
    if (last === 0) throw damagedZstd();
    this.#bytes = bytes;
    this.left = bytes.length * 8 - 1 - Math.clz32(last << 24);
  }

  /** @param count at most 32 */
  read(count: number): number {
    if (count > 16) return this.read(count - 16) * 2 ** 16 + this.read(16);
    this.left -= count;
    return this.#at(this.left, count);
  }

  /** The next bits, which stay. @param count at most 16 */
  peek(count: number): number {
    return this.#at(this.left - count, count);
  }

  #at(start: number, count: number): number {
    if (start < 0) return start + count <= 0 ? 0 : this.#at(0, start + count) << -start;
    const from = start >> 3;
    const bytes = this.#bytes;
    const word = bytes[from]! | (bytes[from + 1]! << 8) | (bytes[from + 2]! << 16);
    return (word >>> (start & 7)) & ((1 << count) - 1);
  }
}
