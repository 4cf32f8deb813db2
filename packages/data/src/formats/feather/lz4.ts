import { VillaError } from "../../errors.ts";

// LZ4 frames as Arrow uses them. Written here because the npm packages trust their input: a hostile frame makes them
// read and write out of bounds or allocate what it asks for.

const magic = 0x184d2204;
const uncompressedBlock = 0x80000000;
/** A frame header: version 1, independent blocks of up to 4 MiB, no checksums; its last byte is the header's xxHash. */
const frameHeader = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73];
const largestBlock = 4 << 20;
const minMatch = 4;
/** The format wants the last 5 bytes to be literals and no match to start in the last 12. */
const lastLiterals = 5;
const lastMatchStart = 12;
const longestDistance = 0xffff;
const hashBits = 14;

/**
 * Decompresses one LZ4 frame. Checksums, if present, are skipped.
 *
 * @param beforeAllocating is told the exact decompressed size before it is allocated, and may throw
 * @throws VillaError `InvalidFile`
 */
export function decompressLz4Frame(frame: Uint8Array, beforeAllocating: (size: number) => void): Uint8Array {
  const blocks = locateBlocks(frame);
  // Lengths first: it is a fast pass, and nothing is allocated on the word of a hostile header.
  let size = 0;
  for (const block of blocks) size += block.compressed ? blockSize(frame, block) : block.end - block.start;
  beforeAllocating(size);
  const out = new Uint8Array(size);
  let at = 0;
  for (const block of blocks) {
    if (block.compressed) at = decompressBlock(frame, block, out, at);
    else {
      out.set(frame.subarray(block.start, block.end), at);
      at += block.end - block.start;
    }
  }
  return out;
}

/** Compresses into one LZ4 frame that any LZ4 implementation reads. */
export function compressLz4Frame(bytes: Uint8Array): Uint8Array {
  const blockCount = Math.ceil(bytes.length / largestBlock);
  const out = new Uint8Array(frameHeader.length + 4 + bytes.length + Math.ceil(bytes.length / 255) + blockCount * 20);
  const view = new DataView(out.buffer);
  const positions = new Int32Array(1 << hashBits);
  out.set(frameHeader);
  let at = frameHeader.length;
  for (let start = 0; start < bytes.length; start += largestBlock) {
    const block = bytes.subarray(start, start + largestBlock);
    positions.fill(0);
    const size = compressBlock(block, out, at + 4, positions);
    if (size < block.length) {
      view.setUint32(at, size, true);
      at += 4 + size;
    } else {
      view.setUint32(at, (uncompressedBlock | block.length) >>> 0, true);
      out.set(block, at + 4);
      at += 4 + block.length;
    }
  }
  return out.slice(0, at + 4); // the end mark is four zero bytes
}

interface Block {
  readonly start: number;
  readonly end: number;
  readonly compressed: boolean;
}

function locateBlocks(frame: Uint8Array): Block[] {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < 7 || view.getUint32(0, true) !== magic) throw damaged();
  const flags = frame[4]!;
  if (flags >> 6 !== 1) throw damaged();
  const blockChecksums = (flags & 0x10) !== 0;
  const hasSize = (flags & 0x08) !== 0;
  const hasDictionary = (flags & 0x01) !== 0;
  if (hasDictionary) throw new VillaError("Unsupported", "LZ4 with a dictionary cannot be read.");
  const blocks: Block[] = [];
  let at = 7 + (hasSize ? 8 : 0);
  for (;;) {
    if (at + 4 > frame.length) throw damaged();
    const word = view.getUint32(at, true);
    if (word === 0) return blocks;
    const start = at + 4;
    const end = start + (word & 0x7fffffff);
    if (end > frame.length) throw damaged();
    blocks.push({ start, end, compressed: word < uncompressedBlock });
    at = end + (blockChecksums ? 4 : 0);
  }
}

function blockSize(frame: Uint8Array, { start, end }: Block): number {
  let size = 0;
  let at = start;
  for (;;) {
    if (at >= end) throw damaged();
    const token = frame[at++]!;
    let literals = token >> 4;
    if (literals === 15) {
      let byte = 255;
      while (byte === 255) {
        if (at >= end) throw damaged();
        byte = frame[at++]!;
        literals += byte;
      }
    }
    size += literals;
    at += literals;
    if (at === end) return size;
    if (at + 2 > end) throw damaged();
    at += 2;
    let length = token & 15;
    if (length === 15) {
      let byte = 255;
      while (byte === 255) {
        if (at >= end) throw damaged();
        byte = frame[at++]!;
        length += byte;
      }
    }
    size += length + minMatch;
  }
}

/** Bounds of `frame` and `out` were checked by {@link blockSize}; distances are checked here. */
function decompressBlock(frame: Uint8Array, { start, end }: Block, out: Uint8Array, outStart: number): number {
  let at = start;
  let to = outStart;
  for (;;) {
    const token = frame[at++]!;
    let literals = token >> 4;
    if (literals === 15) {
      let byte = 255;
      while (byte === 255) {
        byte = frame[at++]!;
        literals += byte;
      }
    }
    if (literals < 32) for (const stop = at + literals; at < stop; ) out[to++] = frame[at++]!;
    else {
      out.set(frame.subarray(at, at + literals), to);
      at += literals;
      to += literals;
    }
    if (at === end) return to;
    const distance = frame[at]! | (frame[at + 1]! << 8);
    at += 2;
    let length = (token & 15) + minMatch;
    if (length === 15 + minMatch) {
      let byte = 255;
      while (byte === 255) {
        byte = frame[at++]!;
        length += byte;
      }
    }
    if (distance === 0 || distance > to) throw damaged();
    // Byte by byte: source and target may overlap, which repeats a pattern.
    for (const stop = to + length; to < stop; to++) out[to] = out[to - distance]!;
  }
}

/** Greedy matching through a hash of four bytes. Returns the compressed size, at most a little above the input's. */
function compressBlock(block: Uint8Array, out: Uint8Array, outStart: number, positions: Int32Array): number {
  const lastStart = block.length - lastMatchStart;
  const matchEnd = block.length - lastLiterals;
  let to = outStart;
  let anchor = 0;
  let at = 0;
  let misses = 0;
  while (at <= lastStart) {
    const word = block[at]! | (block[at + 1]! << 8) | (block[at + 2]! << 16) | (block[at + 3]! << 24);
    const hash = Math.imul(word, 0x9e3779b1) >>> (32 - hashBits);
    const candidate = positions[hash]! - 1;
    positions[hash] = at + 1;
    if (candidate < 0 || at - candidate > longestDistance || !sameWord(block, candidate, at)) {
      at += 1 + (misses++ >> 6); // skip faster through what does not compress
      continue;
    }
    misses = 0;
    let length = minMatch;
    while (at + length < matchEnd && block[candidate + length] === block[at + length]) length++;
    to = writeSequence(block.subarray(anchor, at), at - candidate, length - minMatch, out, to);
    at += length;
    anchor = at;
  }
  return writeSequence(block.subarray(anchor), 0, -1, out, to) - outStart;
}

function sameWord(block: Uint8Array, a: number, b: number): boolean {
  return (
    block[a] === block[b] &&
    block[a + 1] === block[b + 1] &&
    block[a + 2] === block[b + 2] &&
    block[a + 3] === block[b + 3]
  );
}

/** Literals, then a match of `extra` + 4 bytes; extra -1 ends the block without a match. */
function writeSequence(literals: Uint8Array, distance: number, extra: number, out: Uint8Array, start: number): number {
  let to = start;
  out[to++] = (Math.min(literals.length, 15) << 4) | Math.max(0, Math.min(extra, 15));
  if (literals.length >= 15) to = writeLength(literals.length - 15, out, to);
  out.set(literals, to);
  to += literals.length;
  if (extra < 0) return to;
  out[to++] = distance & 255;
  out[to++] = distance >> 8;
  return extra >= 15 ? writeLength(extra - 15, out, to) : to;
}

function writeLength(rest: number, out: Uint8Array, start: number): number {
  let to = start;
  for (; rest >= 255; rest -= 255) out[to++] = 255;
  out[to++] = rest;
  return to;
}

function damaged(): VillaError {
  return new VillaError("InvalidFile", "The file's LZ4-compressed data is damaged.");
}
