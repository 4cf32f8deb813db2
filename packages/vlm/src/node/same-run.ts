import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { snakeCaseKeys } from "@villa/core";
import { readCheckpointExtra } from "@villa/core/node";
import { VillaError } from "@villa/data";
import type { Stage2Config } from "../config.ts";
import type { ImagePairs } from "../pairs.ts";

/** Everything that decides a run's numbers, by the name that a message gives it. */
export type RunFingerprint = Readonly<Record<string, string>>;

/** What must be equal for a run to go on from a checkpoint. More epochs, or more patience, change none of the past ones. */
export function runFingerprint(config: Stage2Config, pairsDigest: string): RunFingerprint {
  const { encoder, weights, trainable, ...sizes } = config.model;
  // The same weights may lie in another folder by now, and the sizes above them are not used.
  const start = encoder ?? weights;
  const model = start === null ? written(sizes) : basename(start);
  const { name, temp, learnTemp } = config.loss;
  const { schedule, warmupSteps, ...optimizer } = config.optimizer;
  // Settings that came later are left out where they are as everything was before, so that older runs go on.
  const isPlainLoss = name === "infonce" && !learnTemp;
  return {
    pairs: config.pairs,
    seed: String(config.seed),
    batch_size: String(config.batchSize),
    micro_batch: String(config.microBatch),
    steps_per_epoch: String(config.stepsPerEpoch),
    model: trainable === "all" ? model : `${model}, ${trainable}`,
    text_encoder: config.textEncoder,
    loss: written(isPlainLoss ? { temp } : config.loss),
    optimizer: written(schedule === "plateau" ? optimizer : config.optimizer),
    "the region-text pairs": pairsDigest,
  };
}

/** A group of settings, in the one way that files have held it from the beginning. */
function written(group: object): string {
  return JSON.stringify(snakeCaseKeys(group));
}

/** sha256 over the boxes and sentences of images, in order. */
export function digestPairs(images: readonly { readonly imageId: number; readonly pairs: ImagePairs }[]): string {
  const hash = createHash("sha256");
  for (const { imageId, pairs } of images) hash.update(`${JSON.stringify([imageId, pairs.boxes, pairs.sentences])}\n`);
  return hash.digest("hex");
}

/**
 * Refuses to go on from the checkpoint of another run: its model would pass for this one's.
 *
 * @throws VillaError `Mismatch` naming what differs
 */
export async function requireSameRun(lastCheckpoint: string, fingerprint: RunFingerprint): Promise<void> {
  if (!existsSync(lastCheckpoint)) return;
  const { fingerprint: known } = (await readCheckpointExtra(lastCheckpoint)) as {
    fingerprint?: RunFingerprint | undefined;
  };
  const changed = Object.keys(fingerprint).filter((key) => known && known[key] !== fingerprint[key]);
  if (changed.length === 0) return;
  const verb = changed.length === 1 ? "differs" : "differ";
  throw new VillaError(
    "Mismatch",
    `${dirname(lastCheckpoint)} holds the checkpoint of another run (${changed.join(", ")} ${verb}); give resume=never to overwrite it, or another checkpoint_dir or task_name.`,
  );
}

/** Removes what a run has written, and nothing else. */
export async function clearRun(directory: string): Promise<void> {
  const files = ["last.safetensors", "last.json", "best.safetensors", "best.json", "metrics.jsonl"];
  for (const name of files) await rm(join(directory, name), { force: true });
}
