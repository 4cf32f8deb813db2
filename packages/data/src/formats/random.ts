import { VillaError } from "../errors.ts";
import { describe } from "./describe.ts";

const N = 624;
const M = 397;

/** Everything a {@link RandomState} knows, as plain JSON; `key` and `pos` are NumPy's `get_state()` fields. */
export interface RandomStateSnapshot {
  readonly algorithm: "MT19937";
  /** 624 uint32 words. */
  readonly key: readonly number[];
  /** Next word to hand out, 0…624. */
  readonly pos: number;
  /** The second value of the last pair of normal draws, when it has not been used yet. */
  readonly gauss: number | null;
}

/** Anything with a length and index access that may be written: arrays and typed arrays. */
interface Swappable {
  readonly length: number;
  [index: number]: unknown;
}

/**
 * NumPy's legacy generator, `numpy.random.RandomState` (MT19937): the same seed gives the same draws, bit for bit.
 *
 * @example
 * const random = new RandomState(23);
 * random.randint(0, 10); // 3, as in `np.random.RandomState(23).randint(0, 10)`
 */
export class RandomState {
  readonly #key = new Uint32Array(N);
  #pos = N;
  #gauss: number | null = null;

  /**
   * @param seed integer in [0, 2^32 - 1]
   * @throws VillaError `InvalidArgument` for anything else, as NumPy does
   */
  constructor(seed: number) {
    if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
      throw new VillaError("InvalidArgument", `A seed is an integer between 0 and 4294967295, not ${describe(seed)}.`);
    }
    let word = seed >>> 0;
    for (let i = 0; i < N; i++) {
      this.#key[i] = word;
      word = (Math.imul(1812433253, word ^ (word >>> 30)) + i + 1) >>> 0;
    }
  }

  /** One uniform unsigned 32-bit integer: the generator's raw output, `randint(0, 2**32, dtype=uint64)`. */
  uint32(): number {
    if (this.#pos === N) this.#refill();
    let y = this.#key[this.#pos++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    y ^= y >>> 18;
    return y >>> 0;
  }

  /** One double in [0, 1) with 53 random bits, `random_sample()`. Consumes two 32-bit words. */
  randomSample(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }

  /**
   * One integer in [low, high), `randint(low, high)`. A range of one value consumes nothing.
   *
   * @throws VillaError `InvalidArgument` when the range is empty, not of integers, or wider than 2^53
   */
  randint(low: number, high: number): number {
    const max = high - 1 - low;
    if (!(Number.isSafeInteger(low) && Number.isSafeInteger(high) && max >= 0 && Number.isSafeInteger(max))) {
      throw new VillaError("InvalidArgument", `randint(${low}, ${high}) has no integer to draw; pass low < high.`);
    }
    return low + this.#interval(max);
  }

  /** One index in [0, n), `choice(n)`. */
  choice(n: number): number {
    return this.randint(0, n);
  }

  /**
   * One index drawn with the given probabilities, `choice(len(p), p=p)`: the first index whose cumulative probability
   * exceeds one {@link randomSample}.
   *
   * @param probabilities [k] non-negative, summing to 1 within 1e-8
   * @throws VillaError `InvalidArgument` when they are not probabilities
   */
  choiceWeighted(probabilities: ArrayLike<number>): number {
    const cumulative = new Float64Array(probabilities.length);
    let sum = 0;
    for (let i = 0; i < cumulative.length; i++) {
      const p = probabilities[i]!;
      if (!(p >= 0)) throw new VillaError("InvalidArgument", `Probabilities must be numbers of at least 0, not ${p}.`);
      sum += p;
      cumulative[i] = sum;
    }
    if (!(Math.abs(sum - 1) <= 1.5e-8)) {
      throw new VillaError("InvalidArgument", `Probabilities must add up to 1, not to ${sum}.`);
    }
    const u = this.randomSample();
    // NumPy normalises by the last entry even when the sum is already 1 up to rounding; doing so keeps ties equal.
    for (let i = 0; i < cumulative.length; i++) if (cumulative[i]! / sum > u) return i;
    return cumulative.length - 1;
  }

  /**
   * `size` different indices out of [0, n), `choice(n, size, replace=False)`.
   *
   * @returns [size] int32
   * @throws VillaError `InvalidArgument` when `size` is not between 0 and `n`
   */
  sample(n: number, size: number): Int32Array {
    if (!Number.isInteger(size) || size < 0 || size > n) {
      throw new VillaError("InvalidArgument", `Cannot draw ${size} different items out of ${n}.`);
    }
    return this.permutation(n).slice(0, size);
  }

  /** Shuffles in place, `shuffle(x)`. Returns its argument. */
  shuffle<T extends Swappable>(items: T): T {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.#interval(i);
      const held = items[i];
      (items as Swappable)[i] = items[j];
      (items as Swappable)[j] = held;
    }
    return items;
  }

  /** A random order of [0, n), `permutation(n)`. @returns [n] int32 */
  permutation(n: number): Int32Array {
    if (!Number.isInteger(n) || n < 0 || n > 0x7fffffff) {
      throw new VillaError("InvalidArgument", `permutation needs a count between 0 and 2147483647, not ${n}.`);
    }
    const order = new Int32Array(n);
    for (let i = 0; i < n; i++) order[i] = i;
    return this.shuffle(order);
  }

  /**
   * One standard normal double, `standard_normal()`: Marsaglia's polar method, which makes two values at a time and
   * keeps the second for the next call.
   */
  normal(): number {
    if (this.#gauss !== null) {
      const kept = this.#gauss;
      this.#gauss = null;
      return kept;
    }
    for (;;) {
      const x1 = 2 * this.randomSample() - 1;
      const x2 = 2 * this.randomSample() - 1;
      const r2 = x1 * x1 + x2 * x2;
      if (r2 >= 1 || r2 === 0) continue;
      const factor = Math.sqrt((-2 * Math.log(r2)) / r2);
      this.#gauss = factor * x1;
      return factor * x2;
    }
  }

  /** The generator's state, to be stored in a checkpoint and handed to {@link setState} later. */
  getState(): RandomStateSnapshot {
    return { algorithm: "MT19937", key: Array.from(this.#key), pos: this.#pos, gauss: this.#gauss };
  }

  /** Continues exactly where {@link getState} was called. @throws VillaError `InvalidArgument` for anything that is not a state */
  setState(state: RandomStateSnapshot): void {
    const sound =
      state?.algorithm === "MT19937" &&
      Array.isArray(state.key) &&
      state.key.length === N &&
      state.key.every((word) => Number.isInteger(word) && word >= 0 && word <= 0xffffffff) &&
      Number.isInteger(state.pos) &&
      state.pos >= 0 &&
      state.pos <= N &&
      (state.gauss === null || Number.isFinite(state.gauss));
    if (!sound) throw new VillaError("InvalidArgument", "This is not a saved RandomState (MT19937, 624 words).");
    this.#key.set(state.key);
    this.#pos = state.pos;
    this.#gauss = state.gauss;
  }

  /** A generator in the same state, which then draws independently. */
  clone(): RandomState {
    const copy = new RandomState(0);
    copy.#key.set(this.#key);
    copy.#pos = this.#pos;
    copy.#gauss = this.#gauss;
    return copy;
  }

  /** Uniform integer in [0, max]: masked rejection, one 32-bit word a try (two beyond 32 bits, high word first). */
  #interval(max: number): number {
    if (max === 0) return 0;
    if (max > 0xffffffff) return this.#wideInterval(max);
    const mask = max >= 0x80000000 ? 0xffffffff : 2 ** (32 - Math.clz32(max)) - 1;
    for (;;) {
      const value = (this.uint32() & mask) >>> 0;
      if (value <= max) return value;
    }
  }

  #wideInterval(max: number): number {
    const highMask = 2 ** (32 - Math.clz32(Math.floor(max / 0x100000000))) - 1;
    for (;;) {
      const high = (this.uint32() & highMask) >>> 0;
      const value = high * 0x100000000 + this.uint32();
      if (value <= max) return value;
    }
  }

  #refill(): void {
    const key = this.#key;
    let i = 0;
    for (; i < N - M; i++) key[i] = key[i + M]! ^ twist(key[i]!, key[i + 1]!);
    for (; i < N - 1; i++) key[i] = key[i + M - N]! ^ twist(key[i]!, key[i + 1]!);
    key[N - 1] = key[M - 1]! ^ twist(key[N - 1]!, key[0]!);
    this.#pos = 0;
  }
}

function twist(u: number, v: number): number {
  return (((u & 0x80000000) | (v & 0x7fffffff)) >>> 1) ^ (v & 1 ? 0x9908b0df : 0);
}
