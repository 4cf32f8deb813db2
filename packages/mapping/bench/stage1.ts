// Our side of the Stage 1 benchmark; benchmarks/pytorch/stage1.py and mapping.py are the other. Prints a line of JSON each.
//
//   node --import tsx --conditions=@villa/source bench/stage1.ts [step|mapping|all] [threads]

import { availableParallelism } from "node:os";
import { createTaskPool } from "@villa/backend-node";
import { RandomState } from "@villa/data";
import { initialHead, makeModel, scoreSplit, trainMapping } from "../src/index.ts";
import { mappingTasks } from "../src/node.ts";

const what = process.argv[2] ?? "all";
const threads = Number(process.argv[3] ?? availableParallelism());
const [dimension, attributes, batchSize, regionsPerImage] = [1024, 20, 48, 5];
const random = new RandomState(23);
const normals = (length: number) => Float32Array.from({ length }, () => random.normal());

function problem(images: number) {
  const regions = normals(images * regionsPerImage * dimension);
  const labels = Uint8Array.from({ length: images * attributes }, () => random.randint(0, 2));
  return { regions, counts: new Int32Array(images).fill(regionsPerImage), labels };
}

const attributeEmbeddings = normals(attributes * dimension);
for (let a = 0; a < attributes; a++) {
  const row = attributeEmbeddings.subarray(a * dimension, (a + 1) * dimension);
  const norm = Math.hypot(...row);
  for (let i = 0; i < dimension; i++) row[i]! /= norm;
}
const pool = createTaskPool({ threads, threadsPerWorker: 1 });
const parallel = { pool, tasks: mappingTasks };
const print = (line: object) =>
  console.log(JSON.stringify({ ...line, threads, peakMemoryMiB: process.resourceUsage().maxRSS / 1024 }));

/** Seconds a step, from the time between steps of the whole model: start-up and initial weights do not count. */
async function benchStep(): Promise<void> {
  const steps = 20;
  let first = 0;
  let last = 0;
  let done = 0;
  const perHead = new Map<number, number>();
  await trainMapping({
    ...problem(steps * batchSize),
    ...{ attributeEmbeddings, batchSize, epochs: 2, parallel },
    onProgress: (progress) => {
      done = progress.done;
      last = performance.now();
      // The first epoch warms the engines up.
      if (done <= steps * attributes) {
        first = last;
        perHead.set(0, done);
      }
    },
  });
  const seconds = ((last - first) / 1000 / (done - perHead.get(0)!)) * attributes;
  print({ benchmark: "stage1 step", program: "@villa/mapping", seconds });
}

async function benchMapping(): Promise<void> {
  const images = 655;
  const names = Array.from({ length: attributes }, (_, a) => String(a));
  const heads = names.map((_, head) => initialHead(head, dimension, 23));
  const model = makeModel({ dimension, oneProj: false, adapter: false, attributes: names }, heads);
  await scoreSplit({ model, data: problem(10), attributeEmbeddings, parallel }); // starts the workers
  const data = problem(images);
  const times: number[] = [];
  for (let repeat = 0; repeat < 3; repeat++) {
    const start = performance.now();
    await scoreSplit({ model, data, attributeEmbeddings, parallel });
    times.push((performance.now() - start) / 1000);
  }
  const seconds = times.sort((a, b) => a - b)[1];
  print({ benchmark: "stage1 mapping", program: "@villa/mapping", images, seconds, fastest: times[0] });
}

if (what !== "mapping") await benchStep();
if (what !== "step") await benchMapping();
await pool.close();
