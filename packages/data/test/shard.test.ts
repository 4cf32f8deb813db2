import { expect, test } from "vitest";
import { type Shard, shardFromEnvironment } from "../src/index.ts";

const slurm = (first: number, last: number, id: number) => ({
  SLURM_ARRAY_TASK_ID: String(id),
  SLURM_ARRAY_TASK_COUNT: String(last - first + 1),
  SLURM_ARRAY_TASK_MIN: String(first),
  SLURM_ARRAY_TASK_MAX: String(last),
});

const engines: [string, (task: number) => Record<string, string>][] = [
  ["SLURM, --array=0-3", (task) => slurm(0, 3, task)],
  ["SLURM, --array=1-4", (task) => slurm(1, 4, task + 1)],
  ["SLURM, --array=5-8", (task) => slurm(5, 8, task + 5)],
  ["Kubernetes", (task) => ({ JOB_COMPLETION_INDEX: String(task), VILLA_SHARD_COUNT: "4" })],
  ["any other", (task) => ({ VILLA_SHARD_INDEX: String(task), VILLA_SHARD_COUNT: "4" })],
];

test.each(engines)("%s: every share is taken exactly once", (_, environment) => {
  const shards = [0, 1, 2, 3].map((task) => shardFromEnvironment(environment(task)) as Shard);
  expect(shards.map(({ count }) => count)).toEqual([4, 4, 4, 4]);
  expect(new Set(shards.map(({ index }) => index))).toEqual(new Set([0, 1, 2, 3]));
});

test("no array, an array of one, and one task of an array again", () => {
  expect(shardFromEnvironment({ HOME: "/root", JOB_COMPLETION_INDEX: "" })).toBeUndefined();
  expect(shardFromEnvironment(slurm(3, 3, 3))).toBeUndefined();
  expect(shardFromEnvironment({ ...slurm(3, 3, 3), VILLA_SHARD_COUNT: "8" })).toEqual({ index: 3, count: 8 });
  expect(shardFromEnvironment({ ...slurm(0, 7, 5), VILLA_SHARD_COUNT: "1" })).toBeUndefined();
});

test.each([
  ["Kubernetes without the number of tasks", { JOB_COMPLETION_INDEX: "2" }, "VILLA_SHARD_COUNT"],
  ["an array with gaps", { ...slurm(0, 6, 2), SLURM_ARRAY_TASK_COUNT: "4" }, "submit --array=0-3, or"],
  ["something that is not a number", { VILLA_SHARD_INDEX: "two", VILLA_SHARD_COUNT: "4" }, "two"],
  ["no task at all", { VILLA_SHARD_INDEX: "0", VILLA_SHARD_COUNT: "0" }, "at least 1"],
])("%s is refused", (_, environment, word) => {
  expect(() => shardFromEnvironment(environment)).toThrow(word);
});
