import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { type Fingerprint, fingerprintText } from "@villa/core";
import { readCheckpointExtra } from "@villa/core/node";
import { formatRleString } from "@villa/data";
import type { Stage2Config } from "../config.ts";
import type { ImagePairs } from "../pairs.ts";

/**
 * What must be equal for a run to go on from a checkpoint. More epochs or more patience change no epoch that is past.
 */
export function stage2Fingerprint(config: Stage2Config, pairsDigest: string): Fingerprint {
  const { encoder, weights, trainable, regions, cropSide, ...sizes } = config.model;
  // The same weights may lie in another folder by now, and the sizes above them are not used.
  const start = encoder ?? weights;
  const model = start === null ? fingerprintText(cropSide === null ? sizes : { ...sizes, cropSide }) : basename(start);
  const { name, temp, learnTemp } = config.loss;
  const { schedule, warmupSteps, ...optimizer } = config.optimizer;
  const { flip, shift, light } = config.augment;
  const isVaried = flip || shift > 0 || light > 0;
  // Settings that were added later are left out where they have the value that all runs had before: older runs can go
  // on.
  const isPlainLoss = name === "infonce" && !learnTemp;
  return {
    pairs: config.pairs,
    seed: String(config.seed),
    batch_size: String(config.batchSize),
    micro_batch: String(config.microBatch),
    steps_per_epoch: String(config.stepsPerEpoch),
    model: [model, ...(trainable === "all" ? [] : [trainable]), ...(regions === "mask" ? ["masks"] : [])].join(", "),
    text_encoder: config.textEncoder,
    loss: fingerprintText(isPlainLoss ? { temp } : config.loss),
    augment: isVaried ? fingerprintText(config.augment) : undefined,
    optimizer: fingerprintText(schedule === "plateau" ? optimizer : config.optimizer),
    "the region-text pairs": pairsDigest,
  };
}

/** The fingerprint that a run left in its last checkpoint. @throws VillaError as `readCheckpointExtra` */
export async function readStage2Fingerprint(folder: string): Promise<Fingerprint | undefined> {
  const path = join(folder, "last.safetensors");
  if (!existsSync(path)) return undefined;
  return (await readCheckpointExtra(path)).fingerprint as Fingerprint | undefined;
}

/** sha256 over the boxes, sentences and masks of images, in order. */
export function digestPairs(images: readonly { readonly imageId: number; readonly pairs: ImagePairs }[]): string {
  const hash = createHash("sha256");
  for (const { imageId, pairs } of images) {
    const { boxes, sentences, masks } = pairs;
    const own = masks?.map((mask) => mask && formatRleString(mask));
    hash.update(`${JSON.stringify(own ? [imageId, boxes, sentences, own] : [imageId, boxes, sentences])}\n`);
  }
  return hash.digest("hex");
}
