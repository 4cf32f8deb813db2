import { createTaskPool } from "@villa/backend-node";
import type { ActiveBackend } from "@villa/core";
import { trainMapping } from "@villa/mapping";
import { mappingTasks } from "@villa/mapping/node";
import { coin, normals } from "./common.ts";

export interface Stage1Sizes {
  readonly steps: number;
  readonly batch: number;
  readonly regions: number;
  readonly attributes: number;
  readonly dimension: number;
}

/**
 * Seconds of one training step of all heads, from the second epoch: the first starts the workers and warms them up.
 *
 * @param options `threads`: of as many workers, one each; 0: heads are trained one after the other in this thread
 */
export async function stage1StepSeconds(
  sizes: Stage1Sizes,
  { backend, threads }: { backend: ActiveBackend; threads: number },
): Promise<number> {
  const { steps, batch, regions, attributes, dimension } = sizes;
  const images = steps * batch;
  const pool = backend.device === "cpu" && threads > 0 ? createTaskPool({ threads, threadsPerWorker: 1 }) : undefined;
  let started = 0;
  let done = 0;
  let ended = 0;
  await trainMapping({
    regions: normals(images * regions * dimension),
    counts: new Int32Array(images).fill(regions),
    labels: Uint8Array.from({ length: images * attributes }, coin),
    attributeEmbeddings: normals(attributes * dimension, dimension),
    batchSize: batch,
    epochs: 2,
    parallel: pool ? { pool, tasks: mappingTasks } : undefined,
    onProgress: (progress) => {
      ended = performance.now();
      if (progress.done > steps * attributes) done = progress.done;
      else started = ended;
    },
  });
  await pool?.close();
  return ((ended - started) / 1000 / (done - steps * attributes)) * attributes;
}
