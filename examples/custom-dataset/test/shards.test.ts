// The pipeline split over processes that know their share from a cluster's variables alone, against one process.
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeCatalogue } from "../src/catalogue.ts";
import { writeTables } from "../src/tables.ts";
import { tryVilla, villa } from "./villa.ts";

const folder = mkdtempSync(join(tmpdir(), "villa-shards-"));
const whole = join(folder, "whole");
const checkpoint = join(folder, "stage2/model/last.safetensors");
const shards = 3;
let table = "";

const pool = ["--backend", "wasm", "--threads", "1"];
const steps = {
  ingest: (data: string) => [
    ...["ingest", "--images", join(folder, "photos"), "--table", table, "--out", data],
    ...["--attributes", join(folder, "attributes.json"), "--group-by", "shop"],
  ],
  preprocess: (data: string) => ["preprocess", "--data-dir", data, "--encoder", "pixels", "--dimension", "32", ...pool],
  stage1: (data: string) => [
    ...["stage1", `data_dir=${data}`, `checkpoint_dir=${data}-runs`, "epochs=2", "batch_size=16", ...pool],
  ],
  evaluate: (data: string) => ["evaluate", "--data-dir", data, "--checkpoint", checkpoint, "--split", "train", ...pool],
};

type Step = keyof typeof steps;

/** How each engine tells a process its share, and the steps that are tried with it: starting processes takes time. */
const engines: Record<string, { environment: (shard: number) => Record<string, string>; tried: readonly Step[] }> = {
  "a SLURM array": {
    environment: (shard) => ({
      SLURM_ARRAY_TASK_ID: String(shard),
      SLURM_ARRAY_TASK_COUNT: String(shards),
      SLURM_ARRAY_TASK_MIN: "0",
      SLURM_ARRAY_TASK_MAX: String(shards - 1),
    }),
    tried: ["ingest", "preprocess", "stage1", "evaluate"],
  },
  "a Kubernetes Indexed Job": {
    environment: (shard) => ({ JOB_COMPLETION_INDEX: String(shard), VILLA_SHARD_COUNT: String(shards) }),
    tried: ["ingest"],
  },
};

function start(argv: readonly string[], environment: Record<string, string>): ChildProcess {
  const cli = join(import.meta.dirname, "../../../packages/cli/src/cli.ts");
  return spawn(process.execPath, ["--import", import.meta.resolve("tsx"), "--conditions=@villa/source", cli, ...argv], {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "ignore", "pipe"],
  });
}

async function finished(child: ChildProcess): Promise<void> {
  let errors = "";
  child.stderr?.on("data", (piece: Buffer) => {
    errors += piece;
  });
  const code = await new Promise((resolve) => child.on("close", resolve));
  expect(code, errors).toBe(0);
}

/** Name → sha256 of the files that a step leaves; logs have times in them. */
function hashes(path: string): Record<string, string> {
  const files = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((name) => !name.includes("region_index"));
  return Object.fromEntries(
    paths
      .sort()
      .map((name) => [
        name.slice(path.length).replaceAll("\\", "/"),
        createHash("sha256").update(readFileSync(name)).digest("hex"),
      ]),
  );
}

beforeAll(async () => {
  table = (await writeTables(folder, await makeCatalogue(folder, 200))).jsonl!;
  await villa(...steps.ingest(whole));
  await villa(...steps.preprocess(whole));
  await villa(...steps.stage1(whole));
  await villa(
    ...["stage2", "experiment=docmnist_stage2_small", `data_dir=${whole}`, `checkpoint_dir=${join(folder, "stage2")}`],
    ...["task_name=model", "epochs=1", "model.width=4", "model.emb_dim=16", ...pool],
  );
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each(Object.keys(engines))("%s gives what one process gives", { timeout: 240_000 }, async (engine) => {
  const { environment, tried } = engines[engine]!;
  const data = join(folder, engine.replaceAll(" ", "-"));
  for (const name of tried) {
    const argv = steps[name](data);
    // Two at once; merging must name the third; then that one, killed as soon as it has begun to write, and run again.
    await Promise.all([0, 1].map((shard) => finished(start(argv, environment(shard)))));
    const early = await tryVilla("merge", ...argv);
    expect(early).toMatchObject({ code: 1, err: expect.stringContaining(`Missing: shard 2/${shards} (`) });
    if (engine === "a SLURM array" && name === "ingest")
      await killed(start(argv, environment(2)), join(data, "images"));
    await finished(start(argv, environment(2)));
    const merged = await villa("merge", ...argv);
    if (name === "evaluate") expect(merged).toEqual(await villa(...steps.evaluate(whole)));
  }
  // The card has the folder's name in it.
  const expected = { ...hashes(whole), "/card.html": expect.any(String) };
  expect(Object.entries(expected)).toEqual(
    expect.arrayContaining(Object.entries(hashes(data)).filter(([name]) => name !== "/card.html")),
  );
  if (!tried.includes("stage1")) return;
  expect(hashes(data)).toEqual(expected);
  const heads = (of: string) => hashes(join(`${of}-runs`, "docmnist_stage1/heads"));
  expect(heads(data)).toMatchObject(heads(whole));
});

/** Kills a process when there are more files than before. */
async function killed(child: ChildProcess, images: string): Promise<void> {
  const before = readdirSync(images).length;
  const gone = new Promise((resolve) => child.on("close", resolve));
  let isGone = false;
  void gone.then(() => {
    isGone = true;
  });
  while (!isGone && readdirSync(images).length === before) await new Promise((resolve) => setTimeout(resolve, 2));
  child.kill("SIGKILL");
  await gone;
}
