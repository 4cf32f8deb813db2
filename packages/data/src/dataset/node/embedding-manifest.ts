import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { VillaError } from "../../errors.ts";
import { checkList, checkText, isObject } from "../../formats/check-arguments.ts";
import type { ImageAnnotation } from "../annotations.ts";
import { embeddingFiles } from "./embeddings.ts";
import { readFileBytes } from "./files.ts";

/** How region and attribute embeddings were made: `region_embs/manifest.json`. */
export interface EmbeddingManifest {
  readonly format: 1;
  /** The encoder and everything that its results depend on. */
  readonly encoder: {
    readonly name: string;
    readonly dimension: number;
    readonly options: Readonly<Record<string, string | number | boolean>>;
    /** sha256 of the weights file. */
    readonly weights?: string | undefined;
    /** Revision on the hub that the encoder was downloaded from. */
    readonly revision?: string | undefined;
  };
  readonly dataset: {
    readonly images: number;
    readonly regions: number;
    /** {@link annotationsFingerprint} of the annotations. */
    readonly fingerprint: string;
    /** sha256 of the vocabulary's JSON. */
    readonly vocabulary: string;
  };
  /** Version of the program that wrote them. */
  readonly version: string;
}

/** sha256 over what embeddings depend on: every image's id, size, boxes, text and masks if there are any, in order. */
export function annotationsFingerprint(annotations: readonly ImageAnnotation[]): string {
  checkList(annotations, "Annotations", isObject);
  const hash = createHash("sha256");
  for (const { imageId, imageSize, regionCoord, text, regionMasks } of annotations) {
    const own = [imageId, imageSize, regionCoord, text];
    hash.update(`${JSON.stringify(regionMasks ? [...own, regionMasks] : own)}\n`);
  }
  return hash.digest("hex");
}

/**
 * The manifest of a dataset folder; undefined for embeddings of the original, which writes none.
 *
 * @throws VillaError `InvalidFile`
 */
export async function readEmbeddingManifest(dataDir: string): Promise<EmbeddingManifest | undefined> {
  checkText(dataDir, "A dataset folder");
  const path = join(dataDir, embeddingFiles.regions, embeddingFiles.manifest);
  if (!existsSync(path)) return undefined;
  try {
    const manifest: unknown = JSON.parse(new TextDecoder().decode(await readFileBytes(path)));
    const isManifest = isObject(manifest) && manifest.format === 1;
    if (isManifest && isObject(manifest.encoder) && isObject(manifest.dataset)) {
      return manifest as unknown as EmbeddingManifest;
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new VillaError("InvalidFile", `${path} is damaged; make the embeddings again: villa preprocess --overwrite.`);
}

/**
 * Makes sure that a folder's embeddings were made from these annotations. Embeddings without a manifest pass: their
 * sizes are all there is to check.
 *
 * @throws VillaError `Mismatch`
 */
export async function checkEmbeddingManifest(
  dataDir: string,
  annotations: readonly ImageAnnotation[],
): Promise<EmbeddingManifest | undefined> {
  const manifest = await readEmbeddingManifest(dataDir);
  if (manifest && manifest.dataset.fingerprint !== annotationsFingerprint(annotations)) {
    throw new VillaError(
      "Mismatch",
      `The region embeddings in ${dataDir} belong to another dataset (${manifest.dataset.images} images, ${manifest.dataset.regions} regions); make them again: villa preprocess --data-dir ${dataDir} --overwrite.`,
    );
  }
  return manifest;
}
