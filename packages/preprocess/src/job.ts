import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { formatVocabulary, VillaError } from "@villa/data";
import {
  annotationsFingerprint,
  atomicWriteFile,
  type Dataset,
  differingSettings,
  type EmbeddingManifest,
  embeddingFiles,
  folderBeside,
  itemsPerPart,
  PartStore,
  readEmbeddingManifest,
  regionPartFormat,
  replaceFolder,
} from "@villa/data/node";
import type { Encoder } from "@villa/encoders";
import packageJson from "../package.json" with { type: "json" };

/** A run of images that is computed, written and skipped on resuming as a whole. */
export interface Part {
  readonly index: number;
  /** Rows of the annotations, from inclusive, to exclusive. */
  readonly from: number;
  readonly to: number;
}

/** Where an encoder's weights came from. */
type EncoderOrigin = Pick<EmbeddingManifest["encoder"], "weights" | "revision">;

/**
 * The folder of region embeddings while they are being made: `region_embs/parts/` holds one file per finished part, and
 * for which dataset and encoder they are. Embeddings that are to be replaced stay until all new ones are there, which are
 * made in `region_embs.new` meanwhile.
 */
export class EmbeddingJob {
  readonly manifest: EmbeddingManifest;
  readonly parts: readonly Part[];
  readonly #dataDir: string;
  readonly #target: string;
  #folder: string;

  constructor(dataset: Dataset, { encoder, origin }: { readonly encoder: Encoder; readonly origin: EncoderOrigin }) {
    this.#dataDir = dataset.directory;
    this.#target = join(dataset.directory, embeddingFiles.regions);
    this.#folder = this.#target;
    this.manifest = makeManifest(dataset, encoder, origin);
    const images = dataset.annotations.length;
    this.parts = Array.from({ length: Math.ceil(images / itemsPerPart) }, (_, index) => ({
      index,
      from: index * itemsPerPart,
      to: Math.min(images, (index + 1) * itemsPerPart),
    }));
  }

  /** Where the embeddings are being made. */
  get folder(): string {
    return this.#folder;
  }

  /** Finished parts: of each image its flat vector. */
  get store(): PartStore<readonly Float32Array[]> {
    return this.#storeIn(this.#folder);
  }

  /**
   * Looks at what is in the folder.
   *
   * @returns true when the embeddings are complete already
   * @throws VillaError `AlreadyExists` when other embeddings are there and `overwrite` is not set
   */
  async begin(overwrite: boolean): Promise<boolean> {
    const beside = folderBeside(this.#target);
    const hasResult = existsSync(join(this.#target, embeddingFiles.index));
    if (overwrite) {
      await remove(beside);
      if (hasResult) this.#folder = beside;
      else await remove(this.#target);
    } else if (await this.#storeIn(beside).isOfThisWork()) {
      this.#folder = beside; // begun with `overwrite`, and not finished
    } else if (hasResult) {
      if (await this.#isInPlace()) return true;
      const done = await readEmbeddingManifest(this.#dataDir);
      // A run that was killed while it joined its parts has written the index already.
      if (done || (await this.store.settings()) === undefined) throw conflict(this.#target, done);
    }
    await this.store.begin();
    return false;
  }

  /** Whether all embeddings are there, made by the same encoder from the same annotations, and none are being made. */
  async isComplete(): Promise<boolean> {
    if (this.#folder !== this.#target && (await this.store.isOfThisWork())) return false;
    return this.#isInPlace();
  }

  /** Writes the manifest, which makes the embeddings count as complete, and puts them in the place of older ones. */
  async finish(): Promise<void> {
    const path = join(this.#folder, embeddingFiles.manifest);
    await atomicWriteFile(path, `${JSON.stringify(this.manifest, null, 2)}\n`);
    if (this.#folder === this.#target) return;
    if (!(await this.store.isOfThisWork())) {
      throw new VillaError(
        "Mismatch",
        `${this.#folder} was moved or removed by another process meanwhile; run this again.`,
      );
    }
    await replaceFolder(this.#folder, this.#target);
  }

  /** Removes what was needed only while the embeddings were being made. */
  async forgetParts(): Promise<void> {
    await this.#storeIn(this.#target).remove();
    if (this.#folder !== this.#target) await remove(this.#folder);
  }

  async #isInPlace(): Promise<boolean> {
    const done = await readEmbeddingManifest(this.#dataDir);
    return done !== undefined && differingSettings(settingsOf(done), settingsOf(this.manifest)).length === 0;
  }

  #storeIn(folder: string): PartStore<readonly Float32Array[]> {
    return new PartStore({
      folder: join(folder, "parts"),
      settings: settingsOf(this.manifest),
      conflict: (other) => conflict(folder, other as Pick<EmbeddingManifest, "encoder" | "dataset">),
      ...regionPartFormat((part) => this.parts[part]!.to - this.parts[part]!.from),
    });
  }
}

function makeManifest(dataset: Dataset, encoder: Encoder, origin: EncoderOrigin): EmbeddingManifest {
  const { annotations, vocabulary } = dataset;
  return {
    format: 1,
    encoder: {
      name: encoder.name,
      dimension: encoder.dimension,
      options: encoder.options,
      ...origin,
    },
    dataset: {
      images: annotations.length,
      regions: annotations.reduce((sum, row) => sum + row.regionCoord.length, 0),
      fingerprint: annotationsFingerprint(annotations),
      vocabulary: createHash("sha256")
        .update(formatVocabulary({ ...vocabulary, withoutTruth: undefined }))
        .digest("hex"),
    },
    version: packageJson.version,
  };
}

/** What the results depend on. The version of the program may differ. */
function settingsOf({ encoder, dataset }: EmbeddingManifest) {
  return { encoder, dataset };
}

function conflict(folder: string, other: Pick<EmbeddingManifest, "encoder" | "dataset"> | undefined): VillaError {
  const what = other
    ? `embeddings by the encoder "${other.encoder.name}" of ${other.dataset.images} images, made with other weights, options or annotations`
    : "embeddings of unknown origin";
  return new VillaError("AlreadyExists", `${folder} holds ${what}; pass --overwrite to replace them.`);
}

async function remove(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 10 });
}
