// Runs Stage 1 on a dataset folder and reports finished epochs on stdout: workers.test.ts kills it in the middle.
import { plainCpuBackend } from "@villa/core";
import { stage1Config } from "../src/index.ts";
import { runStage1 } from "../src/node.ts";

const [dataDir, epochs] = process.argv.slice(2);
await plainCpuBackend().activate();
const config = stage1Config({
  dataDir: dataDir!,
  checkpointDir: `${dataDir}/checkpoints`,
  batchSize: 5,
  epochs: Number(epochs),
});
await runStage1(config, { onEpoch: ({ epoch }) => console.log(`epoch ${epoch}`) });
