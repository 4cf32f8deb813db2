import { checkArgument } from "@villa/data";
import { addCounts, type MappingMetrics, metricsFromCounts, noCounts } from "@villa/metrics";
import type { HeadState } from "../model/head-state.ts";

/** One epoch of the whole model: what heads contributed, added up. */
export interface EpochSummary {
  /** From 1. */
  readonly epoch: number;
  /** Training loss, mean over the batches. */
  readonly loss: number;
  /** Each head's share of it. */
  readonly shares: readonly number[];
  /** Loss and, with ground truth, mapping quality on the validation split. */
  readonly validation?: ({ readonly loss: number } & Partial<MappingMetrics>) | undefined;
}

type History = Pick<HeadState, "losses" | "validation">;

/**
 * The epochs that all heads have finished. A head that stopped early counts with its last values.
 *
 * @param heads histories, in the order of the heads
 * @param stopped whether a head will not go on
 */
export function summarizeHistory(heads: readonly History[], stopped: readonly boolean[] = []): EpochSummary[] {
  checkArgument("heads", heads, [{ losses: "numbers", validation: ["object"] }]);
  checkArgument("stopped?", stopped, ["boolean"]);

  const lengths = heads.map(({ losses }) => losses.length);
  const going = lengths.filter((_, i) => !stopped[i]);
  const epochs = going.length > 0 ? Math.min(...going) : Math.max(0, ...lengths);
  return Array.from({ length: epochs }, (_, epoch) => summarizeEpoch(heads, epoch));
}

function summarizeEpoch(heads: readonly History[], epoch: number): EpochSummary {
  const shares = heads.map(({ losses }) => losses[Math.min(epoch, losses.length - 1)] ?? 0);
  const judged = heads.map(({ validation }) => validation[Math.min(epoch, validation.length - 1)]);
  const summary = { epoch: epoch + 1, loss: shares.reduce((a, b) => a + b, 0), shares };
  if (judged.some((validation) => validation === undefined)) return summary;
  const loss = judged.reduce((sum, validation) => sum + validation!.loss, 0);
  // Heads of attributes that truth does not cover have no counts.
  const counted = judged.flatMap((validation) => validation!.counts ?? []);
  if (counted.length === 0) return { ...summary, validation: { loss } };
  const counts = counted.reduce(addCounts, noCounts);
  return { ...summary, validation: { loss, ...metricsFromCounts(counts) } };
}
