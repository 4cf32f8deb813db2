import { createHash } from "node:crypto";
import { VillaError } from "@villa/data";

/** Share of each split, in order; sums to 1. */
export type SplitShares = readonly (readonly [name: string, share: number])[];

const names = ["train", "val", "test"];

/**
 * Reads `train=0.8,val=0.1,test=0.1`.
 *
 * @throws VillaError `InvalidArgument`
 */
export function parseSplitShares(text: string): SplitShares {
  const shares = text.split(",").map((part): [string, number] => {
    const [name = "", share = ""] = part.split("=");
    return [name.trim(), share.trim() === "" ? Number.NaN : Number(share)];
  });
  const sum = shares.reduce((total, [, share]) => total + share, 0);
  const isValid = shares.every(([name, share]) => name !== "" && share >= 0) && Math.abs(sum - 1) < 1e-6;
  const odd = shares.find(([name]) => !names.includes(name));
  if (odd && odd[0] !== "") {
    throw new VillaError("InvalidArgument", `--split shares rows out to ${names.join(", ")}; there is no "${odd[0]}".`);
  }
  const isDistinct = new Set(shares.map(([name]) => name)).size === shares.length;
  if (isValid && isDistinct) return shares;
  throw new VillaError(
    "InvalidArgument",
    `--split takes shares that sum to 1, as train=0.8,val=0.1,test=0.1, not "${text}".`,
  );
}

/**
 * The split of a row, from the sha256 of `seed:key` alone: rows with equal keys share their split, whatever else is in the
 * table, and the same key falls into the same split tomorrow.
 */
export function hashSplit(key: string, shares: SplitShares, seed: number): string {
  const bytes = createHash("sha256").update(`${seed}:${key}`).digest();
  const place = bytes.readUIntBE(0, 6) / 2 ** 48;
  let end = 0;
  for (const [name, share] of shares) {
    end += share;
    if (place < end) return name;
  }
  return shares.at(-1)![0];
}
