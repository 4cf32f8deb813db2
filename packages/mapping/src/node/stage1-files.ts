import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { type Fingerprint, fingerprintText } from "@villa/core";
import { checkArgument, VillaError } from "@villa/data";
import { type AttributeEmbeddings, atomicWriteFile, readFileBytes } from "@villa/data/node";
import type { Stage1Config } from "../config.ts";
import type { SplitData } from "../data/build-data.ts";

/** Where a run of Stage 1 keeps its files. */
export interface Stage1Files {
  /** Folder of one checkpoint per head. */
  readonly heads: string;
  readonly metrics: string;
  readonly last: string;
  readonly best: string;
  readonly report: string;
  /** Where the mapping of a split goes. */
  mapping(split: string): string;
}

/** What training writes into a run's folder. */
export const trainingResults: readonly string[] = ["heads", "metrics.jsonl", "last.pkl", "best.pkl"];

/** Paths of the files of a run. @param directory the run's folder, `<checkpoint_dir>/<task_name>` */
export function stage1Files(directory: string): Stage1Files {
  checkArgument("directory", directory, "text");

  return {
    heads: join(directory, "heads"),
    metrics: join(directory, "metrics.jsonl"),
    last: join(directory, "last.pkl"),
    best: join(directory, "best.pkl"),
    report: join(directory, "report.json"),
    mapping: (split) => join(directory, `mapping_${split}.feather`),
  };
}

/** Beside the head checkpoints: the fingerprint of the run that trained them. */
const runFile = "run.json";

/** What must be equal for a run to go on with the checkpoints of another. */
export function stage1Fingerprint(
  config: Stage1Config,
  { train, embeddings }: { readonly train: SplitData; readonly embeddings: AttributeEmbeddings },
): Fingerprint {
  const { data } = train;
  return {
    seed: String(config.seed),
    batch_size: String(config.batchSize),
    model: fingerprintText({ oneProj: config.model.oneProj, adapter: config.model.adapter }),
    loss: fingerprintText(config.loss),
    optimizer: fingerprintText(config.optimizer),
    // With a falling learning rate, the number of epochs changes every step.
    epochs: config.optimizer.schedule === "constant" ? undefined : String(config.epochs),
    early_stop: config.earlyStop.metric === "none" ? "none" : fingerprintText(config.earlyStop),
    init_checkpoint: config.initCheckpoint ?? "none",
    "the region embeddings": digest(data.regions),
    "the annotations": digest(data.counts, data.labels),
    "the attribute embeddings": digest(embeddings.values, new TextEncoder().encode(embeddings.attributes.join("\n"))),
  };
}

/** Leaves a fingerprint beside the head checkpoints. */
export async function writeStage1Fingerprint(heads: string, fingerprint: Fingerprint): Promise<void> {
  await atomicWriteFile(join(heads, runFile), JSON.stringify(fingerprint, null, 2));
}

/** The fingerprint of the head checkpoints in a run's folder. @throws VillaError `InvalidFile` when it is damaged */
export async function readStage1Fingerprint(directory: string): Promise<Fingerprint | undefined> {
  const heads = join(directory, "heads");
  const names = await readdir(heads).catch(() => []);
  return names.some((name) => name.endsWith(".safetensors")) ? readRunFile(heads) : undefined;
}

/** The form of the heads in a folder of checkpoints, where a run has left its settings beside them. */
export async function readRunForm(heads: string): Promise<{ oneProj: boolean; adapter: boolean } | undefined> {
  const fingerprint = await readRunFile(heads);
  if (!fingerprint) return undefined;
  const form = JSON.parse(fingerprint.model ?? "{}") as {
    one_proj?: boolean | undefined;
    adapter?: boolean | undefined;
  };
  return { oneProj: form.one_proj === true, adapter: form.adapter === true };
}

async function readRunFile(heads: string): Promise<Fingerprint | undefined> {
  const path = join(heads, runFile);
  if (!existsSync(path)) return undefined;
  const text = new TextDecoder().decode(await readFileBytes(path));
  try {
    const fingerprint = JSON.parse(text);
    if (typeof fingerprint === "object" && fingerprint !== null) return fingerprint;
  } catch {
    // Reported below like any other wrong contents.
  }
  throw new VillaError(
    "InvalidFile",
    `${path} does not hold the settings of a run; give resume=never to train again, or another checkpoint_dir or task_name.`,
  );
}

/**
 * Puts the head checkpoints of shards that were trained in different places into one folder. Heads are independent, so
 * the result is exactly that of one run.
 *
 * @param sources run folders (`<checkpoint_dir>/<task_name>`)
 * @throws VillaError `Mismatch` when the shards were trained with different settings or data
 */
export async function mergeShards(sources: readonly string[], target: string): Promise<{ heads: number }> {
  checkArgument("sources", sources, ["text"]);
  checkArgument("target", target, "text");

  const heads = join(target, "heads");
  await mkdir(heads, { recursive: true });
  let first: { source: string; text: string } | undefined;
  let copied = 0;
  for (const source of sources) {
    const fingerprint = await readRunFile(join(source, "heads"));
    if (!fingerprint)
      throw new VillaError("NotFound", `${source} is not the folder of a Stage 1 run: it lacks heads/run.json.`);
    const text = JSON.stringify(fingerprint);
    first ??= { source, text };
    if (text !== first.text) {
      throw new VillaError(
        "Mismatch",
        `${source} and ${first.source} were trained with different settings or data; they cannot be merged.`,
      );
    }
    await writeStage1Fingerprint(heads, fingerprint);
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
