// Writes checkpoints as fast as it can until it is killed; run by checkpoint.test.ts.
import { RandomState } from "@villa/data";
import { folderCheckpoints } from "../src/node.ts";

const store = folderCheckpoints(process.argv[2]!);
const random = new RandomState(1).getState();
for (let epoch = 1; ; epoch++) {
  // The tensor repeats the epoch: a torn file would disagree with its position.
  const data = new Float32Array(3_000_000).fill(epoch);
  await store.saveLast({
    tensors: new Map([["model.weight", { dtype: "float32", shape: [3_000_000], data }]]),
    position: {
      epoch,
      step: 0,
      lossSum: 0,
      epochRandom: random,
      random,
      learningRate: 1,
      optimizerSteps: {},
      scheduler: null,
      stopping: { best: null, bestEpoch: null, badEpochs: 0 },
      stoppedEarly: false,
    },
  });
  await store.markBest();
  process.stdout.write(`${epoch}\n`);
}
