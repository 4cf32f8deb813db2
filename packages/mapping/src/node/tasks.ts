import type { TaskContext } from "@villa/core";
import { type HeadState, newHeadState } from "../model/head-state.ts";
import { reporting, type TrainGroup, type TrainTask } from "../train/train-groups.ts";
import { type HeadResult, trainHeads } from "../train/train-heads.ts";
import { loadHeadState, saveHeadState } from "./head-files.ts";

/**
 * URL of this module, for `tasks` of `Parallel`: workers load it and call `trainHeadsTask` by its name. A build puts
 * it beside whatever file this line ends up in.
 */
export const mappingTasks: string = new URL(
  import.meta.url.endsWith(".ts") ? "./tasks.ts" : "./tasks.js",
  import.meta.url,
).href;

/** Trains some heads in a worker. */
export function trainHeadsTask(task: TrainTask, context: TaskContext): Promise<HeadResult[]> {
  return trainGroupWithFiles(task, { post: (message) => context.post(message), signal: context.signal });
}

/** Trains heads in this thread, from their checkpoints where there are some and saving them after every epoch. */
export const trainGroupWithFiles: TrainGroup = (task, { post, signal }) => {
  const { checkpoints, dimension, train } = task;
  const shared = { ...task, signal, ...reporting(post) };
  if (checkpoints === undefined) return trainHeads(shared);
  const save = (state: HeadState): Promise<void> => {
    const keepOptimizer = task.keepOptimizer !== false || state.epoch < train.epochs;
    return saveHeadState(checkpoints, state, { dimension, keepOptimizer });
  };
  const load = async (head: number): Promise<HeadState> => {
    const saved = await loadHeadState(checkpoints, head);
    const state = saved ?? newHeadState(head, { dimension, seed: train.seed });
    // With no epoch to train, the new heads are the model; otherwise the first save comes after the first epoch.
    if (!saved && train.epochs === 0) await save(state);
    return state;
  };
  return trainHeads({ ...shared, load, save });
};
