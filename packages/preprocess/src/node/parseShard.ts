import { VillaError } from "@villa/data";
import type { Shard } from "./job.ts";

/**
 * The command line's `--shard i/n`, i from 0 to n − 1.
 *
 * @throws VillaError `InvalidArgument`
 */
export function parseShard(text: string): Shard {
  const match = /^(\d+)\/(\d+)$/.exec(text.trim());
  const [index, count] = [Number(match?.[1]), Number(match?.[2])];
  if (!match || !(index < count)) {
    throw new VillaError("InvalidArgument", `--shard takes i/n with 0 ≤ i < n, e.g. 0/4 to 3/4, not "${text}".`);
  }
  return { index, count };
}
