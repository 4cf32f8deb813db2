import { Inflate, inflateSync } from "fflate";

/** Compressed bytes that are expanded at once: at deflate's largest ratio, 1032, they make 16 MB. */
const pieceSize = 1 << 14;

/**
 * Decompresses a raw deflate stream that should give `size` bytes, and stops soon after it gives more: a stream that
 * expands a thousandfold costs no more than its declared size.
 *
 * @returns `size` bytes, or fewer or one more of them when the stream does not give as many as it should
 * @throws whatever the decompressor throws at damaged data
 */
export function inflateExactly(stored: Uint8Array, size: number): Uint8Array {
  // One byte more than declared: what does not fit is dropped, so a longer stream shows up as a wrong length.
  if (stored.length <= pieceSize) return inflateSync(stored, { out: new Uint8Array(size + 1) });
  const out = new Uint8Array(size + 1);
  let at = 0;
  const inflate = new Inflate((piece) => {
    const fitting = piece.subarray(0, out.length - at);
    out.set(fitting, at);
    at += fitting.length;
  });
  for (let start = 0; start < stored.length && at <= size; start += pieceSize) {
    inflate.push(stored.subarray(start, start + pieceSize), start + pieceSize >= stored.length);
  }
  return out.subarray(0, at);
}

/** Zlib's checksum (RFC 1950). Unsigned. */
export function adler32(bytes: Uint8Array): number {
  let low = 1;
  let high = 0;
  for (let start = 0; start < bytes.length; start += sumsBeforeOverflow) {
    const end = Math.min(bytes.length, start + sumsBeforeOverflow);
    for (let i = start; i < end; i++) {
      low += bytes[i]!;
      high += low;
    }
    low %= 65_521;
    high %= 65_521;
  }
  return ((high << 16) | low) >>> 0;
}

/** As many additions as 32 bits hold. */
const sumsBeforeOverflow = 3800;
