// Stage 2 handed to PyTorch and back: tars and weights out, DistributedDataParallel in two processes, weights in.
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { useNodeBackend } from "@villa/backend-node";
import { runVilla } from "@villa/cli";
import { openDataset } from "@villa/data/node";
import { glyphDigits } from "@villa/docmnist";
import { writeDataset } from "@villa/docmnist/node";
import { findPython } from "@villa/testing";
import { embedSplit } from "@villa/vlm";
import { openModel } from "@villa/vlm/node";
import { afterAll, beforeAll, expect, test } from "vitest";

const python = findPython("torch", "torchvision");
const folder = mkdtempSync(join(tmpdir(), "villa-pytorch-"));
const [data, tars] = [join(folder, "small"), join(folder, "tars")];
const [checkpoint, tower] = [join(folder, "runs/model/last.safetensors"), join(folder, "tower.pth")];
const trained = join(folder, "trained.pth");

async function villa<T>(...argv: readonly string[]): Promise<T> {
  const lines: string[] = [];
  const terminal = {
    out: (line: string) => lines.push(line),
    err: (line: string) => lines.push(line),
    interactive: false,
  };
  expect(await runVilla([...argv, "--json"], terminal), lines.join("\n")).toBe(0);
  return JSON.parse(lines.at(-1)!) as T;
}

const evaluate = (weights: string) => villa("evaluate", "--data-dir", data, "--checkpoint", weights, "--split", "val");

beforeAll(async () => {
  const digits = { train: glyphDigits(1, 200) };
  const budgets = { attributeBudget: 400, targetSampleComplexity: 12, valAttributeBudget: 100 };
  await writeDataset({ digits, ...budgets, out: folder, name: "small" });
  await villa(
    ...["stage2", "experiment=docmnist_stage2_small_roi", `data_dir=${data}`, `checkpoint_dir=${join(folder, "runs")}`],
    ...["task_name=model", "pairs=oracle", "epochs=1", "batch_size=8", "model.width=4", "model.emb_dim=16"],
  );
  await villa("export", "--checkpoint", checkpoint, "--out", tower);
  await villa(
    ...["export-webdataset", "--data-dir", data, "--out", tars, "--pairs", "oracle"],
    ...["--samples-per-tar", "10", "--checkpoint", checkpoint],
  );
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.skipIf(!python)(
  "plain tarfile and torch read what is exported; its tower gives our embeddings",
  { timeout: 120_000 },
  async () => {
    const [name] = readdirSync(tars)
      .filter((file) => file.endsWith(".tar"))
      .sort();
    const theirs = python!.json<{
      keys: string[][];
      records: { image_id: number; pairs: { box: number[] }[] }[];
      embeddings: number[][];
    }>(
      `
import json, sys, tarfile
sys.path.insert(0, sys.argv[1])
import torch, train_ddp
names = tarfile.open(sys.argv[2]).getnames()
sentences = torch.load(sys.argv[3])
batch = list(train_ddp.samples([sys.argv[2]]))[:3]
tower = train_ddp.ModifiedResNet(torch.load(sys.argv[4])).eval()
with torch.no_grad():
    groups, texts = train_ddp.collate(batch, sentences, "cpu")
    embeddings = tower(groups)
assert texts.shape == embeddings.shape
print(json.dumps({"keys": [n.split(".") for n in names], "records": [r for _, r in batch], "embeddings": embeddings.tolist()}))
`,
      ...[join(import.meta.dirname, ".."), join(tars, name!), join(tars, "train-sentences.pth"), tower],
    );
    expect(theirs.keys.slice(0, 2).map(([, extension]) => extension)).toEqual(["png", "json"]);
    expect(theirs.keys[0]![0]).toBe(theirs.keys[1]![0]);

    const backend = await useNodeBackend({ name: "wasm" });
    const dataset = await openDataset(data);
    const rows = theirs.records.map(({ image_id, pairs }) => {
      return { imageId: image_id, regionCoord: pairs.map(({ box }) => box) };
    });
    const model = await openModel(checkpoint);
    const load = ({ imageId }: { imageId: number }) =>
      dataset.readImage(dataset.annotations.find((row) => row.imageId === imageId)!);
    const ours = await embedSplit(model.image, rows, { load });
    model.dispose();
    await backend.dispose();
    const flat = theirs.embeddings.flat();
    expect(flat).toHaveLength(ours.length);
    for (const [i, value] of flat.entries()) expect(value).toBeCloseTo(ours[i]!, 4);
  },
);

test("exported weights are the checkpoint", async () => {
  expect(await evaluate(tower)).toEqual(await evaluate(checkpoint));
});

test.skipIf(!python)(
  "two DDP processes train on; evaluate and stage2 take their weights",
  { timeout: 240_000 },
  async () => {
    const port = await freePort();
    await Promise.all([0, 1].map((rank) => ddp(rank, port)));
    expect(await evaluate(trained)).not.toEqual(await evaluate(tower));
    const back = await villa<{ history: unknown[] }>(
      ...[
        "stage2",
        "experiment=docmnist_stage2_small_roi",
        `data_dir=${data}`,
        `checkpoint_dir=${join(folder, "runs")}`,
      ],
      ...["task_name=back", "pairs=oracle", "epochs=1", "batch_size=8", `model.weights=${trained}`],
    );
    expect(back.history).toHaveLength(1);
  },
);

/** One process of the job. */
function ddp(rank: number, port: number): Promise<void> {
  const script = join(import.meta.dirname, "../train_ddp.py");
  const files = ["--tars", join(tars, "train-*.tar"), "--sentences", join(tars, "train-sentences.pth")];
  const settings = ["--weights", tower, "--out", trained, "--epochs", "1", "--batch-size", "5", "--lr", "0.001"];
  const place = { RANK: rank, LOCAL_RANK: rank, WORLD_SIZE: 2, MASTER_ADDR: "127.0.0.1", MASTER_PORT: port };
  const environment = Object.fromEntries(Object.entries(place).map(([key, value]) => [key, String(value)]));
  const child = spawn(process.env.VILLA_PYTHON ?? "/usr/bin/python3", [script, ...files, ...settings], {
    env: { ...process.env, ...environment, OMP_NUM_THREADS: "1" },
    stdio: ["ignore", "ignore", "pipe"],
    timeout: 200_000, // or a process that hangs would outlive the test
    killSignal: "SIGKILL",
  });
  let errors = "";
  child.stderr.on("data", (piece: Buffer) => {
    errors += piece;
  });
  return new Promise((resolve, reject) =>
    child.on("close", (code) => (code === 0 ? resolve() : reject(new Error(errors)))),
  );
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
