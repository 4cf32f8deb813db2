import { createHash } from "node:crypto";
import { checkArgument, VillaError } from "@villa/data";
import { type SplitShares, splitAt } from "../split-shares.ts";

const usualSplits = ["train", "val", "test"];

/**
 * Reads `train=0.8,val=0.1,test=0.1`. Other names are refused: nothing would ever look for them.
 *
 * @throws VillaError `InvalidArgument`
 */
export function parseSplitShares(text: string): SplitShares {
  checkArgument("text", text, "text");

  const shares = text.split(",").map((part): [string, number] => {
    const [name = "", share = ""] = part.split("=");
    return [name.trim(), share.trim() === "" ? Number.NaN : Number(share)];
  });
  const sum = shares.reduce((total, [, share]) => total + share, 0);
  const isValid = shares.every(([name, share]) => name !== "" && share >= 0) && Math.abs(sum - 1) < 1e-6;
  const strange = shares.find(([name]) => !usualSplits.includes(name));
  if (strange) {
    throw new VillaError(
      "InvalidArgument",
      `--split gives shares of train, val and test, not of "${strange[0]}"; other splits are named in the table's column of splits.`,
    );
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
export function hashSplit(key: string, options: { readonly shares: SplitShares; readonly seed: number }): string {
  checkArgument("key", key, "text");
  checkArgument("options", options, { shares: ["list"], seed: "number" });
  const { shares, seed } = options;

  return splitAt(createHash("sha256").update(`${seed}:${key}`).digest(), shares);
}
