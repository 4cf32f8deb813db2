/** Scores fall into so many equal intervals between the lowest and the highest. */
const buckets = 1024;

/**
 * The scores at some places of a ranking, and how many others are higher or equal: all that a measure at a cut-off needs.
 *
 * Scores are brought into buckets, and only those buckets are sorted that hold one of the places. Memory is kept from one
 * ranking to the next.
 */
export class RankedPlaces {
  /** [places] the score at each place. */
  readonly scores: Float32Array;
  /** [places] how many scores are higher than it. */
  readonly above: Int32Array;
  /** [places] how many are equal to it, itself included. */
  readonly tied: Int32Array;
  /** Where each bucket ends among the scores in the order of their buckets. */
  readonly #ends = new Int32Array(buckets);
  #bucketOf = new Uint16Array();
  #inBuckets = new Float32Array();

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
    this.#fillBuckets(scores);
    const ends = this.#ends;
    const sorted = new Map<number, Float32Array>(); // buckets that hold a place
    for (let p = 0; p < places.length; p++) {
      const index = Math.max(0, scores.length - places[p]!); // in ascending order
      let bucket = buckets - 1;
      while (bucket > 0 && ends[bucket - 1]! > index) bucket--;
      const start = bucket === 0 ? 0 : ends[bucket - 1]!;
      const members = sorted.get(bucket) ?? this.#inBuckets.subarray(start, ends[bucket]!).sort();
      sorted.set(bucket, members);
      const score = members[index - start]!;
      const last = members.lastIndexOf(score); // finds −0 and 0 alike
      this.scores[p] = score + 0;
      this.above[p] = scores.length - 1 - (start + last);
      this.tied[p] = last + 1 - members.indexOf(score);
    }
  }

  /** Orders the scores by their buckets, ascending. */
  #fillBuckets(scores: Float32Array): void {
    const length = scores.length;
    if (this.#bucketOf.length !== length) {
      this.#bucketOf = new Uint16Array(length);
      this.#inBuckets = new Float32Array(length);
    }
    let lowest = scores[0]!;
    let highest = lowest;
    for (let i = 1; i < length; i++) {
      const score = scores[i]!;
      if (score < lowest) lowest = score;
      if (score > highest) highest = score;
    }
    const scale = highest > lowest ? (buckets - 1) / (highest - lowest) : 0;
    const [bucketOf, inBuckets, ends] = [this.#bucketOf, this.#inBuckets, this.#ends.fill(0)];
    for (let i = 0; i < length; i++) {
      const bucket = ((scores[i]! - lowest) * scale) | 0; // rounding never brings a higher score into a lower bucket
      bucketOf[i] = bucket;
      ends[bucket]!++;
    }
    let start = 0;
    for (let bucket = 0; bucket < buckets; bucket++) {
      const size = ends[bucket]!;
      ends[bucket] = start; // moves to the bucket's end as it is filled
      start += size;
    }
    for (let i = 0; i < length; i++) inBuckets[ends[bucketOf[i]!]!++] = scores[i]!;
  }
}
