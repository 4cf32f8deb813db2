import { join } from "node:path";
import { VillaError } from "@villa/data";
import { atomicWriteFile } from "@villa/data/node";
import { bootstrap, type Interval } from "@villa/metrics";
import { type EvaluationRecord, finite, makeRecord, recordFile } from "./record.ts";
import type { EvaluateFlags, EvaluationTask, TaskContext, TaskOutcome } from "./task.ts";

/** An evaluation that is done. */
export interface FinishedEvaluation {
  readonly outcome: TaskOutcome;
  readonly record: EvaluationRecord;
  /** Files that were written. */
  readonly written: readonly string[];
}

const level = 0.95;

/**
 * Runs a task, makes intervals for its numbers, and writes its record, page and files where they are wanted.
 *
 * @param options `villa`: the version, for the record
 */
export async function runEvaluation(
  { task, flags, villa }: { readonly task: EvaluationTask; readonly flags: EvaluateFlags; readonly villa: string },
  context: Omit<TaskContext, "withPage">,
): Promise<FinishedEvaluation> {
  const { out, report, seed } = flags;
  const outcome = await task.run(flags, { ...context, withPage: out !== undefined || report !== undefined });
  const resamples = flags.resamples ?? outcome.resamples;
  const intervals = await intervalsOf(outcome, { ...context, resamples, seed });
  const finished = new Date().toISOString();
  const warning = guessing(outcome, intervals);
  const told = warning === undefined ? outcome : { ...outcome, warnings: [...outcome.warnings, warning] };
  const record = await makeRecord(told, {
    intervals,
    bootstrap: {
      over: outcome.groups ? "groups" : "images",
      resamples,
      seed,
      level,
      interval: outcome.interval ?? "percentile",
    },
    villa,
    finished,
  });
  const written: string[] = [];
  const write = async (path: string, text: string): Promise<void> => {
    await atomicWriteFile(path, text);
    written.push(path);
  };
  if (out !== undefined || report !== undefined) {
    const { renderEvaluation } = await import("./page.ts");
    const page = renderEvaluation(record, await outcome.sections());
    if (out !== undefined) {
      for (const [name, text] of Object.entries(outcome.files ?? {})) await write(join(out, name), text);
      await write(join(out, recordFile), `${JSON.stringify(record)}\n`);
      await write(join(out, "evaluation.html"), page);
    }
    if (report !== undefined) await write(report, page);
  }
  return { outcome, record, written };
}

async function intervalsOf(
  outcome: TaskOutcome,
  { resamples, seed, onProgress, signal }: Omit<TaskContext, "withPage"> & { resamples: number; seed: number },
): Promise<Record<string, Interval>> {
  if (resamples === 0) return {};
  const { itemIds, groups, measure, interval } = outcome;
  if (itemIds.length === 0) throw new VillaError("Mismatch", "There are no images to evaluate on.");
  const found = await bootstrap({
    items: itemIds.length,
    groups,
    measure,
    resamples,
    seed,
    level,
    interval,
    onProgress,
    signal,
  });
  if (interval !== "centred") return found;
  const clip = (value: number) => Math.min(1, Math.max(0, value));
  return Object.fromEntries(
    Object.entries(found).map(([name, own]) => [name, { ...own, low: clip(own.low), high: clip(own.high) }]),
  );
}

/**
 * Says when no number is above what guessing reaches. A model answers any question about any words: that it knows nothing
 * about them shows in its numbers alone.
 */
function guessing({ numbers, chance }: TaskOutcome, intervals: Readonly<Record<string, Interval>>): string | undefined {
  const known = Object.entries(chance).filter(
    ([name, level]) => Number.isFinite(level) && Number.isFinite(numbers[name]),
  );
  const isAbove = ([name, level]: [string, number]) => (intervals[name]?.low ?? numbers[name]!) > level;
  if (known.length === 0 || known.some(isAbove)) return undefined;
  return "No number is above what guessing reaches: the model knows nothing about these images and words; it may have been trained on others.";
}

/** What `--json` prints: the numbers by their names, then all the rest. */
export function jsonResult({ outcome, record, written }: FinishedEvaluation): Record<string, unknown> {
  const { numbers, bootstrap: how, warnings } = record;
  const intervals = Object.entries(numbers).map(([name, { low, high }]) => [name, [low, high]]);
  const chances = Object.entries(numbers).flatMap(([name, { chance }]) => (chance === null ? [] : [[name, chance]]));
  return {
    ...Object.fromEntries(Object.entries(outcome.numbers).map(([name, value]) => [name, finite(value)])),
    task: outcome.task,
    intervals: how.resamples === 0 ? undefined : Object.fromEntries(intervals),
    chance: Object.fromEntries(chances),
    bootstrap: how,
    warnings,
    ...outcome.details,
    written,
  };
}
