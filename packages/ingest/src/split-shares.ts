/** Share of each split, in order; sums to 1. */
export type SplitShares = readonly (readonly [name: string, share: number])[];

export const defaultShares: SplitShares = [
  ["train", 0.8],
  ["val", 0.1],
  ["test", 0.1],
];

/** Of the splits. */
export const defaultSeed = 23;

/** The split of a place. @param digest sha256 of what tells the rows of one split apart; its first 48 bits are the place */
export function splitAt(digest: Uint8Array, shares: SplitShares): string {
  const place = digest.subarray(0, 6).reduce((sum, byte) => sum * 256 + byte, 0) / 2 ** 48;
  let end = 0;
  for (const [name, share] of shares) {
    end += share;
    if (place < end) return name;
  }
  return shares.at(-1)![0];
}
