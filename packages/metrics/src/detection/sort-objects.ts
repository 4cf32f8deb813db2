/** All indices below n, in order. */
export function indicesBelow(n: number): Int32Array {
  const indices = new Int32Array(n);
  for (let i = 0; i < n; i++) indices[i] = i;
  return indices;
}

/** A stable sort of `order` by ascending `keys[index]`, which are whole numbers below `buckets`: one pass over each. */
export function sortByKey(order: Int32Array, keys: Int32Array, buckets: number): Int32Array {
  const starts = bucketStarts(order, keys, buckets);
  const sorted = new Int32Array(order.length);
  for (let i = 0; i < order.length; i++) sorted[starts[keys[order[i]!]!]!++] = order[i]!;
  return sorted;
}

/** Where each key begins in an order that is sorted by it, and where the last ends. @returns [buckets + 1] */
export function bucketStarts(order: Int32Array, keys: Int32Array, buckets: number): Int32Array {
  const starts = new Int32Array(buckets + 1);
  for (let i = 0; i < order.length; i++) starts[keys[order[i]!]! + 1]!++;
  for (let b = 0; b < buckets; b++) starts[b + 1]! += starts[b]!;
  return starts;
}

/**
 * A stable sort of `order` by descending `scores[index]`, which are finite.
 *
 * A radix sort on the bits of the doubles, 16 at a time: some ten times as fast as a comparator for half a million.
 */
export function sortByScore(order: Int32Array, scores: Float64Array): Int32Array {
  const n = order.length;
  const bits = new Uint32Array(scores.map((score) => score + 0).buffer); // -0 becomes 0
  for (let i = 0; i < bits.length; i += 2) {
    // Positive doubles ascend like their bits. To descend, positive ones are inverted; negative ones already do.
    if (bits[i + 1]! < 0x80000000) {
      bits[i] = ~bits[i]!;
      bits[i + 1] = ~bits[i + 1]! & 0x7fffffff;
    }
  }
  let [from, to] = [order.slice(), new Int32Array(n)];
  const counts = new Int32Array(0x10001);
  for (const { word, shift } of digits) {
    counts.fill(0);
    for (let i = 0; i < n; i++) counts[((bits[2 * from[i]! + word]! >>> shift) & 0xffff) + 1]!++;
    for (let b = 0; b < 0x10000; b++) counts[b + 1]! += counts[b]!;
    for (let i = 0; i < n; i++) to[counts[(bits[2 * from[i]! + word]! >>> shift) & 0xffff]!++] = from[i]!;
    [from, to] = [to, from];
  }
  return from;
}

const digits = [
  { word: 0, shift: 0 },
  { word: 0, shift: 16 },
  { word: 1, shift: 0 },
  { word: 1, shift: 16 },
];
