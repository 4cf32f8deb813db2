/**
 * The chance of a hit among the first k of a ranking, over all orders of equal scores.
 *
 * With a items above the cut group, of whose t equal items h are hits, and k cutting through the group:
 * 1 − C(t − h, k − a) / C(t, k − a); 1 where an item above it is a hit.
 *
 * @param scores [n] finite
 * @param hits [n] whether an item is a hit
 */
export function expectedHit(scores: ArrayLike<number>, hits: ArrayLike<boolean>, k: number): number {
  let best = Number.NEGATIVE_INFINITY; // of the hits
  for (let i = 0; i < scores.length; i++) if (hits[i]) best = Math.max(best, scores[i]!);
  if (best === Number.NEGATIVE_INFINITY) return 0;
  let above = 0;
  let tied = 0;
  let right = 0;
  for (let i = 0; i < scores.length; i++) {
    if (scores[i]! > best) above++;
    else if (scores[i] === best) {
      tied++;
      if (hits[i]) right++;
    }
  }
  return expectedAmong({ above, tied, right, k });
}

/** Where the best hits stand. */
export interface TiedHits {
  /** Items with a higher score than the best hit, none of them a hit. */
  readonly above: number;
  /** Items with the score of the best hit, itself included. */
  readonly tied: number;
  /** How many of those are hits. */
  readonly right: number;
  readonly k: number;
}

/** The chance that the first k hold a hit, over all orders of the tied items. */
export function expectedAmong({ above, tied, right, k }: TiedHits): number {
  const drawn = Math.min(tied, k - above);
  if (drawn <= 0) return 0;
  // C(t − h, s) / C(t, s), factor by factor.
  let none = 1;
  for (let i = 0; i < drawn; i++) none *= Math.max(0, tied - right - i) / (tied - i);
  return 1 - none;
}

/** @returns the mean; 0 of nothing */
export function meanOf(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return values.length === 0 ? 0 : sum / values.length;
}
