import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createTaskPool } from "@villa/backend-node";
import { plainCpuBackend } from "@villa/core";
import { readMappings } from "@villa/data";
import { openDataset, readAttributeEmbeddings, readFileBytes } from "@villa/data/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { stage1Config, trainMapping } from "../src/index.ts";
import { loadHeadState } from "../src/node/head-files.ts";
import { loadSplits } from "../src/node/open-stage1.ts";
import { mappingTasks, runStage1 } from "../src/node.ts";
import { attributes, smallDataset, writeSmallDataset } from "./dataset.ts";

const pool = createTaskPool({ threads: 2, backend: "cpu" });
beforeAll(() => plainCpuBackend().activate());
afterAll(() => pool.close());

const configOf = (dataDir: string, epochs = 4) =>
  stage1Config({ dataDir, checkpointDir: join(dataDir, "checkpoints"), batchSize: 5, epochs });

test("workers train as this thread does", async () => {
  const directory = await writeSmallDataset();
  const embeddings = await readAttributeEmbeddings(directory);
  const { data } = (await loadSplits(await openDataset(directory), { embeddings, splits: ["train"] })).get("train")!;
  const options = { ...data, attributeEmbeddings: embeddings.values, attributes, epochs: 3, batchSize: 5 };
  const progress: number[] = [];
  const parallel = { pool, tasks: mappingTasks };
  const here = await trainMapping(options);
  const there = await trainMapping({ ...options, parallel, onProgress: ({ done }) => progress.push(done) });
  expect(there.heads).toEqual(here.heads);
  expect(there.history).toEqual(here.history);
  expect(progress.at(-1)).toBe(3 * 4 * attributes.length);
});

test("a run on workers equals one in this thread", async () => {
  const [first, second] = [await writeSmallDataset(), await writeSmallDataset()];
  const here = await runStage1(configOf(first));
  const there = await runStage1(configOf(second), { pool });
  expect(there.history).toEqual(here.history);
  expect(there.mappings.map(({ report }) => report)).toEqual(here.mappings.map(({ report }) => report));
  const rows = async (directory: string) => readMappings(await readFileBytes(join(directory, "mapping_val.feather")));
  expect(await rows(second)).toEqual(await rows(first));
});

test("a worker's failure comes back as its own error", async () => {
  const { annotations, embeddings } = smallDataset();
  const labels = Uint8Array.from({ length: 20 * attributes.length }, (_, i) => i % 2);
  const counts = Int32Array.from(annotations.slice(0, 20), (row) => row.numRegions);
  const regions = Float32Array.from([...embeddings.values()].slice(0, 20).flatMap((values) => [...values]));
  const training = trainMapping({
    regions,
    counts,
    labels,
    attributeEmbeddings: new Float32Array(attributes.length * 8).fill(0.35),
    attributes,
    batchSize: 10,
    epochs: 50,
    learningRate: 1e38,
    parallel: { pool, tasks: mappingTasks },
  });
  await expect(training).rejects.toMatchObject({ code: "NotFinite", message: /stopped being a number/ });
});

test("a run killed with -9 and started again equals one that was never killed", async () => {
  const [killed, whole] = [await writeSmallDataset(), await writeSmallDataset()];
  const child = spawn(
    process.execPath,
    [
      "--import",
      "tsx",
      "--conditions=@villa/source",
      fileURLToPath(new URL("./kill-child.ts", import.meta.url)),
      killed,
      "500",
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  for await (const chunk of child.stdout) if (String(chunk).includes("epoch 3")) break;
  child.kill("SIGKILL");
  await once(child, "exit");
  const heads = join(killed, "checkpoints", "docmnist_stage1", "heads");
  const epochs = await Promise.all(attributes.map(async (_, head) => (await loadHeadState(heads, head))?.epoch ?? 0));
  expect(Math.max(...epochs)).toBeGreaterThanOrEqual(3);
  const target = Math.max(...epochs) + 2;

  const resumed = await runStage1(configOf(killed, target));
  const uninterrupted = await runStage1(configOf(whole, target));
  expect(resumed.history).toEqual(uninterrupted.history);
  for (const head of attributes.keys()) {
    const saved = await loadHeadState(heads, head);
    expect(saved).toEqual(await loadHeadState(join(whole, "checkpoints", "docmnist_stage1", "heads"), head));
  }
});
