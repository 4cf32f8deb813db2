import { requireParts } from "@villa/data/node";
import type { Stage1Config } from "../config.ts";
import { shardOwning } from "../train/parallel.ts";
import { loadHeadProgress } from "./head-files.ts";

/**
 * Makes sure that shards have trained all heads before they are joined.
 *
 * @param total number of heads
 * @throws VillaError `Mismatch` naming the shards that have to run again
 */
export async function requireTrained(folder: string, total: number, config: Stage1Config): Promise<void> {
  // Heads that may stop early are taken as they are; the run that joins them finishes those that were killed.
  const epochs = config.earlyStop.metric === "none" ? config.epochs : 0;
  const missing: number[] = [];
  for (let head = 0; head < total; head++) {
    const progress = await loadHeadProgress(folder, head);
    if (!progress || progress.epoch < epochs) missing.push(head);
  }
  requireParts(folder, missing, total, (head, count) => shardOwning(head, total, count));
}
