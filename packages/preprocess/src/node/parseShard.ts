import { VillaError } from "@villa/data";
import type { Shard } from "./job.ts";

/**
 * The command line's `--shard i/n`. `i` is taken modulo `n`, so that both habits name every share exactly once: 0/4 … 3/4
 * (Kubernetes) and 1/4 … 4/4 (most test runners).
 *
 * @throws VillaError `InvalidArgument`
 */
export function parseShard(text: string): Shard {
  const match = /^(\d+)\/(\d+)$/.exec(text.trim());
  const [index, count] = [Number(match?.[1]), Number(match?.[2])];
  if (!match || !(count >= 1 && index <= count)) {
    throw new VillaError("InvalidArgument", `--shard takes i/n, 0/4 to 3/4 or 1/4 to 4/4, not "${text}".`);
  }
  return { index: index % count, count };
}
