import { type Parallel, partition, shareFloats } from "./parallel.ts";
import { type HeadEpoch, type HeadResult, type TrainHeadsOptions, trainHeads } from "./train-heads.ts";

/** What a worker needs to train some heads: plain data, so that it can be posted. */
export interface TrainTask
  extends Pick<
    TrainHeadsOptions,
    | "data"
    | "heads"
    | "attributeEmbeddings"
    | "train"
    | "validation"
    | "earlyStopping"
    | "headsPerProduct"
    | "historyOnly"
    | "dimension"
    | "oneProj"
    | "adapter"
  > {
  /** Folder of head checkpoints: heads start from what is there and are saved after every epoch. */
  readonly checkpoints?: string | undefined;
  /** Keep the optimiser's state of heads that have finished, so that they can be trained further. */
  readonly keepOptimizer?: boolean | undefined;
}

/** What a worker tells while it trains. */
export type TrainMessage =
  | { readonly kind: "steps"; readonly heads: number }
  | { readonly kind: "epoch"; readonly report: HeadEpoch };

export interface TrainGroupsOptions extends TrainTask {
  readonly parallel?: Parallel | undefined;
  /** Heads in memory at a time, over all workers. Default: all. */
  readonly headsAtOnce?: number | undefined;
  readonly onMessage?: ((message: TrainMessage) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How the current thread trains; the Node shell replaces it by one that knows checkpoints. */
export type TrainGroup = (
  task: TrainTask,
  context: { post(message: TrainMessage): void; readonly signal?: AbortSignal | undefined },
) => Promise<HeadResult[]>;

/** Trains new heads in this thread, without files. */
export const trainGroupInMemory: TrainGroup = async (task, { post, signal }) =>
  trainHeads({ ...task, ...reporting(post), signal });

/** The callbacks of {@link trainHeads} as messages. */
export function reporting(post: (message: TrainMessage) => void): Pick<TrainHeadsOptions, "onStep" | "onHeadEpoch"> {
  return {
    onStep: (heads) => post({ kind: "steps", heads }),
    onHeadEpoch: (report) => post({ kind: "epoch", report }),
  };
}

/**
 * Trains the heads of `options.heads` wave by wave, each wave spread over the workers (or in this thread). Heads are
 * independent, so neither the waves nor the workers change any number.
 *
 * @returns results in the order of `options.heads`
 */
export async function trainGroups(options: TrainGroupsOptions, here: TrainGroup): Promise<HeadResult[]> {
  const { parallel, headsAtOnce = options.heads.length, onMessage = () => {}, signal, ...task } = options;
  const results: HeadResult[] = [];
  const post = (message: unknown): void => onMessage(message as TrainMessage);
  const shared = parallel ? withSharedArrays(task) : task;
  for (let start = 0; start < options.heads.length; start += Math.max(1, headsAtOnce)) {
    const wave = options.heads.slice(start, start + Math.max(1, headsAtOnce));
    if (!parallel) {
      results.push(...(await here({ ...task, heads: wave }, { post, signal })));
      continue;
    }
    const reference = { module: parallel.tasks, name: "trainHeadsTask" };
    const groups = await settleAll(
      partition(wave, parallel.pool.size).map((heads) =>
        parallel.pool.run<HeadResult[]>(reference, { ...shared, heads }, { onMessage: post, signal }),
      ),
    );
    results.push(...groups.flat());
  }
  return results;
}

/** Like Promise.all, but a failure is reported only when nothing runs any more: no worker is left writing files. */
async function settleAll<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const results = await Promise.allSettled(promises);
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
  return results.map((result) => (result as PromiseFulfilledResult<T>).value);
}

function withSharedArrays<T extends TrainTask>(task: T): T {
  const { data, validation } = task;
  return {
    ...task,
    data: { ...data, regions: shareFloats(data.regions) },
    attributeEmbeddings: shareFloats(task.attributeEmbeddings),
    validation: validation && {
      ...validation,
      data: { ...validation.data, regions: shareFloats(validation.data.regions) },
    },
  };
}
