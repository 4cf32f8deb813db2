import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { snakeCaseKeys } from "@villa/core";
import { VillaError } from "@villa/data";
import { type AttributeEmbeddings, atomicWriteFile } from "@villa/data/node";
import type { Stage1Config } from "../config.ts";
import type { SplitData } from "../data/build-data.ts";
import { clearHeads } from "./head-files.ts";

/** Where a run keeps its files. */
export interface RunFolder {
  readonly directory: string;
  /** One checkpoint per head. */
  readonly heads: string;
  readonly metrics: string;
  readonly last: string;
  readonly best: string;
  readonly report: string;
  /** Where the mapping of a split goes. */
  mapping(split: string): string;
}

/** Paths of the files of a run. */
export function runFolder(config: Pick<Stage1Config, "checkpointDir" | "taskName">): RunFolder {
  const directory = join(config.checkpointDir, config.taskName);
  return {
    directory,
    heads: join(directory, "heads"),
    metrics: join(directory, "metrics.jsonl"),
    last: join(directory, "last.pkl"),
    best: join(directory, "best.pkl"),
    report: join(directory, "report.json"),
    mapping: (split) => join(directory, `mapping_${split}.feather`),
  };
}

/** Beside the head checkpoints: the settings they were trained with. */
const runFile = "run.json";

/** What must be equal for a run to go on with the checkpoints of another. */
export type Fingerprint = Readonly<Record<string, string | undefined>>;

export function fingerprintOf(config: Stage1Config, train: SplitData, embeddings: AttributeEmbeddings): Fingerprint {
  const { data } = train;
  return {
    seed: String(config.seed),
    batch_size: String(config.batchSize),
    model: written({ oneProj: config.model.oneProj, adapter: config.model.adapter }),
    loss: written(config.loss),
    optimizer: written(config.optimizer),
    // With a falling learning rate, the number of epochs changes every step.
    epochs: config.optimizer.schedule === "constant" ? undefined : String(config.epochs),
    early_stop: config.earlyStop.metric === "none" ? "none" : written(config.earlyStop),
    init_checkpoint: config.initCheckpoint ?? "none",
    "the region embeddings": digest(data.regions),
    "the annotations": digest(data.counts, data.labels),
    "the attribute embeddings": digest(embeddings.values, new TextEncoder().encode(embeddings.attributes.join("\n"))),
  };
}

/** A group of settings, in the one way that files have held it from the beginning. */
function written(group: object): string {
  return JSON.stringify(snakeCaseKeys(group));
}

/** The form of the heads in a folder of checkpoints, where a run has left its settings beside them. */
export async function readRunForm(heads: string): Promise<{ oneProj: boolean; adapter: boolean } | undefined> {
  const path = join(heads, runFile);
  if (!existsSync(path)) return undefined;
  const { model } = JSON.parse(await readFile(path, "utf8")) as Fingerprint;
  const form = JSON.parse(model ?? "{}") as { one_proj?: boolean | undefined; adapter?: boolean | undefined };
  return { oneProj: form.one_proj === true, adapter: form.adapter === true };
}

/**
 * Makes the run's folder ready: checkpoints of the same settings are kept (`resume=auto`), others refused.
 *
 * @throws VillaError Mismatch naming what differs
 */
export async function prepareFolder(folder: RunFolder, config: Stage1Config, fingerprint: Fingerprint): Promise<void> {
  await mkdir(folder.heads, { recursive: true });
  const path = join(folder.heads, runFile);
  if (config.resume === "never") await clearHeads(folder.heads);
  else if (existsSync(path)) {
    const known = JSON.parse(await readFile(path, "utf8")) as Fingerprint;
    const changed = Object.keys({ ...known, ...fingerprint }).filter((key) => known[key] !== fingerprint[key]);
    if (changed.length > 0 && (await readdir(folder.heads)).some((name) => name.endsWith(".safetensors"))) {
      throw new VillaError(
        "Mismatch",
        `${folder.directory} holds checkpoints of another run (${changed.join(", ")} differ); give resume=never to overwrite them, or another checkpoint_dir or task_name.`,
      );
    }
  }
  await atomicWriteFile(path, JSON.stringify(fingerprint, null, 2));
}

/**
 * Puts the head checkpoints of shards that were trained in different places into one folder. Heads are independent, so
 * the result is exactly that of one run.
 *
 * @param sources run folders (`<checkpoint_dir>/<task_name>`)
 * @throws VillaError Mismatch when the shards were trained with different settings or data
 */
export async function mergeShards(sources: readonly string[], target: string): Promise<{ heads: number }> {
  const heads = join(target, "heads");
  await mkdir(heads, { recursive: true });
  let first: { source: string; text: string } | undefined;
  let copied = 0;
  for (const source of sources) {
    const path = join(source, "heads", runFile);
    if (!existsSync(path))
      throw new VillaError("NotFound", `${source} is not the folder of a Stage 1 run: it lacks heads/run.json.`);
    const text = await readFile(path, "utf8");
    first ??= { source, text };
    if (text !== first.text) {
      throw new VillaError(
        "Mismatch",
        `${source} and ${first.source} were trained with different settings or data; they cannot be merged.`,
      );
    }
    await atomicWriteFile(join(heads, runFile), text);
    for (const name of await readdir(join(source, "heads"))) {
      if (!name.endsWith(".safetensors")) continue;
      if (source !== target) await copyFile(join(source, "heads", name), join(heads, name));
      copied++;
    }
  }
  return { heads: copied };
}

function digest(...arrays: readonly (Float32Array | Int32Array | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const array of arrays) hash.update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  return hash.digest("hex");
}
