import type { FuzzRandom } from "./random.ts";

/** Makes a changed copy of a file. `other` is a second file of the same format. */
export type Mutator = (bytes: Uint8Array, random: FuzzRandom, other: Uint8Array) => Uint8Array;

/** Numbers at which counts, lengths and offsets go wrong. */
const interesting = [
  ...[0, 1, 2, 3, 7, 8, 15, 16, 63, 64, 127, 128, 255, 256, 1023, 4096, 32_767, 32_768, 65_535, 65_536],
  ...[0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, 100_000, 10_000_000, 134_217_732],
];

/** Changes that leave every byte in its place. */
export const inPlaceMutators: readonly Mutator[] = [flipBit, setByte, setNumber, fillRange];

/** Changes that move, drop or repeat what the file holds. */
export const movingMutators: readonly Mutator[] = [truncate, deleteRange, repeatRange, insertBytes, swapRanges, splice];

function flipBit(bytes: Uint8Array, random: FuzzRandom): Uint8Array {
  const out = bytes.slice();
  if (out.length > 0) out[random.below(out.length)]! ^= 1 << random.below(8);
  return out;
}

function setByte(bytes: Uint8Array, random: FuzzRandom): Uint8Array {
  const out = bytes.slice();
  for (let count = 1 + random.below(4); count > 0 && out.length > 0; count--) {
    out[random.below(out.length)] = random.once(2) ? random.pick(interesting) : random.below(256);
  }
  return out;
}

/** Writes an interesting number of 2, 4 or 8 bytes, often one near to what is there. */
export function setNumber(bytes: Uint8Array, random: FuzzRandom): Uint8Array {
  const out = bytes.slice();
  const width = random.pick([2, 4, 4, 8] as const);
  if (out.length < width) return out;
  const view = new DataView(out.buffer);
  let at = random.below(out.length - width + 1);
  if (random.once(2)) at -= at % width;
  const little = !random.once(3);
  const isNear = random.once(2);
  if (width === 2) {
    const value = isNear ? view.getUint16(at, little) + random.pick([-2, -1, 1, 2, 8]) : random.pick(interesting);
    view.setUint16(at, value, little);
  } else if (width === 4) {
    const value = isNear ? view.getUint32(at, little) + random.pick([-8, -4, -1, 1, 4, 8]) : random.pick(interesting);
    view.setUint32(at, value, little);
  } else {
    const value = isNear
      ? view.getBigInt64(at, little) + BigInt(random.pick([-8, -1, 1, 8]))
      : BigInt(random.pick([...interesting, -1, 2 ** 53, 2 ** 62]));
    view.setBigInt64(at, value, little);
  }
  return out;
}

function fillRange(bytes: Uint8Array, random: FuzzRandom): Uint8Array {
  const [start, end] = range(bytes, random, 32);
  return bytes.slice().fill(random.pick([0, 255, 0x28, 0x5b, random.below(256)]), start, end);
}

function truncate(bytes: Uint8Array, random: FuzzRandom): Uint8Array {
  return bytes.slice(0, random.below(bytes.length + 1));
}

function deleteRange(bytes: Uint8Array, random: FuzzRandom): Uint8Array {
  const [start, end] = range(bytes, random, 64);
  return concatenate([bytes.subarray(0, start), bytes.subarray(end)]);
}

function repeatRange(bytes: Uint8Array, random: FuzzRandom): Uint8Array {
  const [start, end] = range(bytes, random, 64);
  const copies = new Array<Uint8Array>(1 + random.pick([1, 1, 2, 10, 200])).fill(bytes.subarray(start, end));
  return concatenate([bytes.subarray(0, start), ...copies, bytes.subarray(end)]);
}

function insertBytes(bytes: Uint8Array, random: FuzzRandom): Uint8Array {
  const at = random.below(bytes.length + 1);
  const piece = Uint8Array.from({ length: 1 + random.below(16) }, () => random.below(256));
  return concatenate([bytes.subarray(0, at), piece, bytes.subarray(at)]);
}

function swapRanges(bytes: Uint8Array, random: FuzzRandom): Uint8Array {
  const [a, b] = range(bytes, random, 64);
  const [c, d] = range(bytes.subarray(b), random, 64);
  const parts = [
    bytes.subarray(0, a),
    bytes.subarray(b + c, b + d),
    bytes.subarray(b, b + c),
    bytes.subarray(a, b),
    bytes.subarray(b + d),
  ];
  return concatenate(parts);
}

/** The beginning of one file and the end of another. */
function splice(bytes: Uint8Array, random: FuzzRandom, other: Uint8Array): Uint8Array {
  return concatenate([
    bytes.subarray(0, random.below(bytes.length + 1)),
    other.subarray(random.below(other.length + 1)),
  ]);
}

function range(bytes: Uint8Array, random: FuzzRandom, longest: number): [start: number, end: number] {
  const start = random.below(bytes.length + 1);
  return [start, Math.min(bytes.length, start + 1 + random.below(longest))];
}

/** All parts after each other. */
export function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
