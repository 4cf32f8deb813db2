import { VillaError } from "../errors.ts";
import { checkObject, checkText } from "../formats/check-arguments.ts";
import { describe, quote } from "../formats/describe.ts";

/** A share of a job that several processes split: share `index` of `count`, counted from 0. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/** Whether a numbered part of the job is this shard's: parts are dealt out like cards. */
export function ownsPart(shard: Shard, part: number): boolean {
  checkShard(shard);
  const { index, count } = shard;
  return part % count === index;
}

/** @throws VillaError `InvalidArgument` unless `index` and `count` are whole numbers with 0 ≤ index < count */
export function checkShard(shard: Shard): void {
  checkObject(shard, "A shard");
  const { index, count } = shard;
  if (Number.isInteger(index) && Number.isInteger(count) && index >= 0 && index < count) return;
  throw new VillaError(
    "InvalidArgument",
    `There is no shard ${describe(index)} of ${describe(count)}: use two whole numbers i/n with 0 ≤ i < n.`,
  );
}

/**
 * Reads `i/n`. `i` is taken modulo `n`, so that both habits name every share exactly once: 0/4 … 3/4 (Kubernetes) and
 * 1/4 … 4/4 (most test runners).
 *
 * @throws VillaError `InvalidArgument`
 */
export function parseShard(text: string): Shard {
  checkText(text, "A shard i/n");
  const match = /^(\d+)\/(\d+)$/.exec(text.trim());
  const [index, count] = [Number(match?.[1]), Number(match?.[2])];
  if (!match || !(count >= 1 && index <= count)) {
    throw new VillaError("InvalidArgument", `--shard takes i/n, 0/4 to 3/4 or 1/4 to 4/4, not ${quote(text)}.`);
  }
  return { index: index % count, count };
}

/**
 * The share that a cluster's engine gave to this process, read from its environment:
 * `VILLA_SHARD_INDEX` and `VILLA_SHARD_COUNT` (any engine), SLURM's job arrays, Kubernetes' Indexed Jobs. SLURM tells the
 * number of tasks; Kubernetes does not, so `VILLA_SHARD_COUNT` must be the Job's `completions`. It may be set under SLURM
 * too, to run single tasks of an array again (`sbatch --array=3` would otherwise count as an array of one).
 *
 * As in {@link parseShard} the index is taken modulo the count, so arrays may begin at 0 or 1, or anywhere else.
 *
 * @returns undefined outside of an array, and in one of a single task: the process does everything
 * @throws VillaError `InvalidArgument` when the variables do not name a share
 */
export function shardFromEnvironment(environment: Readonly<Record<string, string | undefined>>): Shard | undefined {
  checkObject(environment, "An environment");
  const name = ["VILLA_SHARD_INDEX", "SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX"].find((key) => environment[key]);
  if (name === undefined) return undefined;
  const number = (key: string): number | undefined => {
    const text = environment[key];
    if (text === undefined || text === "") return undefined;
    if (/^\d+$/.test(text)) return Number(text);
    throw new VillaError("InvalidArgument", `The environment variable ${key} is "${text}", not a whole number.`);
  };
  const index = number(name)!;
  const count = number("VILLA_SHARD_COUNT") ?? (name.startsWith("SLURM") ? slurmTasks(number) : undefined);
  if (count === undefined) {
    throw new VillaError(
      "InvalidArgument",
      `${name} says that this is task ${index}, but not of how many; set VILLA_SHARD_COUNT to the number of tasks, or give --shard i/n.`,
    );
  }
  if (count === 0) throw new VillaError("InvalidArgument", "VILLA_SHARD_COUNT is 0; it must be at least 1.");
  return count === 1 ? undefined : { index: index % count, count };
}

/** Tasks of a SLURM array that has no gaps. */
function slurmTasks(number: (key: string) => number | undefined): number | undefined {
  const [count, first, last] = [
    number("SLURM_ARRAY_TASK_COUNT"),
    number("SLURM_ARRAY_TASK_MIN"),
    number("SLURM_ARRAY_TASK_MAX"),
  ];
  if (count !== undefined && first !== undefined && last !== undefined && last - first + 1 !== count) {
    throw new VillaError(
      "InvalidArgument",
      `This SLURM array has ${count} tasks numbered ${first} to ${last}, with gaps; submit --array=0-${count - 1}, or, to run single shares again, set VILLA_SHARD_COUNT to the number of all shares.`,
    );
  }
  return count;
}
