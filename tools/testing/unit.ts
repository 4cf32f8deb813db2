// The name-derived inputs of the golden values: both the reference and these tests make the same numbers from a name,
// so golden files store outputs only.

/** 32-bit FNV-1a hash of the UTF-8 bytes of `text`. */
export function fnv1a32(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

/** `n` doubles in [-1, 1) derived from `name`. */
export function unit(name: string, n: number): Float64Array {
  const seed = fnv1a32(name);
  const values = new Float64Array(n);
  for (let k = 0; k < n; k++) {
    let x = (Math.imul(k, 0x9e3779b1) + seed) >>> 0;
    x ^= x >>> 16;
    x = Math.imul(x, 0x85ebca6b);
    x ^= x >>> 13;
    x = Math.imul(x, 0xc2b2ae35);
    x ^= x >>> 16;
    values[k] = ((x >>> 0) / 2 ** 32) * 2 - 1;
  }
  return values;
}

/** `T(name, shape, scale)` of the golden README: float32(unit * scale), row-major. */
export function tensorValues(name: string, shape: readonly number[], scale = 1): Float32Array {
  const size = shape.reduce((product, side) => product * side, 1);
  return Float32Array.from(unit(name, size), (value) => value * scale);
}

/** `n` bytes derived from `name`: clip(floor((unit + 1) * 128), 0, 255). */
export function bytes(name: string, n: number): Uint8Array {
  return Uint8Array.from(unit(name, n), (value) => Math.min(255, Math.max(0, Math.floor((value + 1) * 128))));
}
