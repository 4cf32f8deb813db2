/** Scores fall into buckets by the highest bits of their keys. */
const bucketBits = 12;
const buckets = 2 ** bucketBits;
const lowBits = 32 - bucketBits;

/**
 * The scores at some places of a ranking, and how many others are higher or equal: all that a measure at a cut-off needs.
 *
 * Only those scores are sorted that share a bucket with one of the places; the others are counted. Memory is kept from one
 * ranking to the next.
 */
export class RankedPlaces {
  /** [places] the score at each place. */
  readonly scores: Float32Array;
  /** [places] how many scores are higher than it. */
  readonly above: Int32Array;
  /** [places] how many are equal to it, itself included. */
  readonly tied: Int32Array;
  readonly #sizes = new Int32Array(buckets);
  #keys = new Uint32Array();
  #values = new Float32Array(); // the same memory

  /** @param places how many are asked for at a time */
  constructor(places: number) {
    this.scores = new Float32Array(places);
    this.above = new Int32Array(places);
    this.tied = new Int32Array(places);
  }

  /**
   * Finds places in the descending order of the scores. The members hold the answer until the next call.
   *
   * @param scores [n] without NaN
   * @param places 1 is the highest score's; n where one is larger
   */
  find(scores: Float32Array, places: readonly number[]): void {
    this.#countBuckets(scores);
    const sorted = new Map<number, Uint32Array>(); // buckets that hold a place
    for (let p = 0; p < places.length; p++) {
      const place = Math.min(places[p]!, scores.length);
      let bucket = buckets;
      let end = 0; // how many scores are in this bucket or above
      while (end < place) end += this.#sizes[--bucket]!;
      const keys = sorted.get(bucket) ?? this.#sortedBucket(bucket);
      sorted.set(bucket, keys);
      const key = keys[end - place]!;
      const last = keys.lastIndexOf(key);
      this.scores[p] = scoreOf(key);
      this.above[p] = end - 1 - last;
      this.tied[p] = last + 1 - keys.indexOf(key);
    }
  }

  /** Turns scores into keys, unsigned integers in the same order, and counts how many fall into each bucket. */
  #countBuckets(scores: Float32Array): void {
    if (this.#keys.length !== scores.length) {
      this.#keys = new Uint32Array(scores.length);
      this.#values = new Float32Array(this.#keys.buffer);
    }
    const [keys, values, sizes] = [this.#keys, this.#values, this.#sizes.fill(0)];
    for (let i = 0; i < scores.length; i++) {
      values[i] = scores[i]! + 0; // −0 has other bits than 0, which it equals
      const bits = keys[i]!;
      const key = (bits ^ ((bits >> 31) | 0x80000000)) >>> 0; // negative ones are turned around
      keys[i] = key;
      sizes[key >>> lowBits]!++;
    }
  }

  /** @returns a bucket's keys, ascending */
  #sortedBucket(bucket: number): Uint32Array {
    const keys = this.#keys;
    const members = new Uint32Array(this.#sizes[bucket]!);
    for (let i = 0, to = 0; to < members.length; i++) {
      if (keys[i]! >>> lowBits === bucket) members[to++] = keys[i]!;
    }
    return members.sort();
  }
}

const bits = new Uint32Array(1);
const value = new Float32Array(bits.buffer);

function scoreOf(key: number): number {
  bits[0] = key & 0x80000000 ? key ^ 0x80000000 : ~key;
  return value[0]!;
}
