import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Shard, VillaError } from "@villa/data";
import {
  atomicWriteFile,
  datasetFiles,
  differingSettings,
  folderBeside,
  itemsPerPart,
  type PartSettings,
  PartStore,
  readFileBytes,
  replaceFolder,
} from "@villa/data/node";
import type { IngestedPart } from "../ingested-row.ts";

/**
 * A dataset's folder while it is being made: `ingest/` holds a file for each finished part of the table, and what shards
 * have finished. A dataset that is to be replaced stays until the new one is complete, which is made in `<out>.new`
 * meanwhile. Parts with bad rows count as finished only where bad rows are skipped.
 */
export class IngestJob {
  readonly #out: string;
  readonly #settings: PartSettings;
  #directory: string;

  /** @param settings everything that the dataset depends on: processes with equal settings work on the same job */
  constructor(out: string, settings: PartSettings) {
    this.#out = out;
    this.#directory = out;
    this.#settings = settings;
  }

  /** Where the dataset is being made. */
  get directory(): string {
    return this.#directory;
  }

  /** The finished parts. */
  get store(): PartStore<IngestedPart> {
    return this.#storeIn(this.#directory);
  }

  /**
   * Looks at what is in the folder.
   *
   * @returns true when the dataset is complete already
   * @throws VillaError `AlreadyExists` when it is of other settings and `overwrite` is not set
   */
  async begin(overwrite: boolean): Promise<boolean> {
    const beside = folderBeside(this.#out);
    const isDataset = existsSync(join(this.#out, datasetFiles.annotations));
    const isOurs = existsSync(join(this.#out, isDataset ? manifestFile : partsFolder));
    if (overwrite && isOurs) {
      if (existsSync(join(beside, partsFolder))) await remove(beside);
      if (isDataset) this.#directory = beside;
      else await remove(this.#out);
    } else if (await this.#storeIn(beside).isOfThisWork()) {
      this.#directory = beside; // begun with `overwrite`, and not finished
    } else if (isDataset && isOurs) {
      const settings = await this.#settingsInPlace();
      const differing = differingSettings(settings, this.#settings);
      if (differing.length > 0) throw conflict(this.#out, differing);
      await this.finish();
      return true;
    } else if (isDataset || (!isOurs && (await this.#hasOthers(this.#out)))) throw foreign(this.#out);
    if (this.#directory === beside && !existsSync(join(beside, partsFolder)) && (await this.#hasOthers(beside))) {
      throw foreign(beside);
    }
    await this.store.begin();
    return false;
  }

  /** Whether the dataset is there, made with the same settings, and none is being made. */
  async isComplete(): Promise<boolean> {
    if (this.#directory !== this.#out && (await this.store.isOfThisWork())) return false;
    if (!existsSync(join(this.#out, datasetFiles.annotations))) return false;
    return differingSettings(await this.#settingsInPlace(), this.#settings).length === 0;
  }

  /** Notes that a process has read the whole table and finished its share. */
  async finishShard({ index, count }: Shard, rows: number): Promise<void> {
    await atomicWriteFile(join(this.store.folder, `shard-${index}-of-${count}.json`), JSON.stringify({ rows }));
  }

  /**
   * What has to be there before shards can be merged.
   *
   * @returns number of rows of the table
   * @throws VillaError `Mismatch` naming the shards that are missing
   */
  async requireShards(acceptFlaws: boolean): Promise<number> {
    const { store } = this;
    const names = existsSync(store.folder) ? await readdir(store.folder) : [];
    const first = names.find((name) => /^shard-\d+-of-\d+\.json$/.test(name));
    if (first === undefined) throw new VillaError("Mismatch", `No shard of ${this.#out} has finished yet.`);
    const text = new TextDecoder().decode(await readFileBytes(join(store.folder, first)));
    const { rows } = JSON.parse(text) as { rows: number };
    store.requireAll(partCount(rows), { acceptFlaws });
    return rows;
  }

  /** Puts a complete dataset into the place of an older one. */
  async replace(): Promise<void> {
    if (this.#directory === this.#out) return;
    if (!(await this.store.isOfThisWork())) {
      throw new VillaError(
        "Mismatch",
        `${this.#directory} was moved or removed by another process meanwhile; run this again.`,
      );
    }
    await replaceFolder(this.#directory, this.#out);
  }

  /** Removes what was needed only while the dataset was being made, and what killed processes have left half written. */
  async finish(): Promise<void> {
    if (this.#directory !== this.#out) await remove(this.#directory);
    this.#directory = this.#out;
    if (!existsSync(this.store.folder)) return;
    const images = join(this.#out, datasetFiles.images);
    const names = existsSync(images) ? await readdir(images) : [];
    for (const name of names) if (name.endsWith(".tmp")) await rm(join(images, name), { force: true });
    await this.store.remove();
  }

  /** Removes the lists of bad rows that earlier runs have left. */
  async forgetProblems(): Promise<void> {
    for (const name of await readdir(this.#directory)) {
      if (/^problems.*\.jsonl$/.test(name)) await rm(join(this.#directory, name), { force: true });
    }
  }

  #storeIn(directory: string): PartStore<IngestedPart> {
    return new PartStore({
      folder: join(directory, partsFolder),
      extension: "json",
      encode: (part) => JSON.stringify(part),
      decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes)) as IngestedPart,
      isFlawed: ({ problems }) => problems.length > 0,
      settings: this.#settings,
      conflict: (_, differing) => conflict(this.#out, differing),
    });
  }

  async #settingsInPlace(): Promise<PartSettings> {
    const path = join(this.#out, manifestFile);
    try {
      const { settings } = JSON.parse(new TextDecoder().decode(await readFileBytes(path))) as {
        settings: PartSettings;
      };
      return settings;
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause;
      throw new VillaError("InvalidFile", `${path} is damaged; pass --overwrite to make the dataset anew.`, { cause });
    }
  }

  /** Whether a folder holds anything but what another process that is just beginning may have made. */
  async #hasOthers(directory: string): Promise<boolean> {
    return existsSync(directory) && (await readdir(directory)).some((name) => name !== partsFolder);
  }
}

/** In a finished dataset: where it comes from. */
export const manifestFile = "ingest.json";
/** Version of the manifest's summary. */
export const manifestFormat = 2;

/** Inside of a dataset that is being made. */
const partsFolder = "ingest";

/** The part that a row of the table belongs to. */
export function partOf(row: number): number {
  return Math.floor(row / itemsPerPart);
}

/** Parts of a table. */
export function partCount(rows: number): number {
  return Math.ceil(rows / itemsPerPart);
}

function conflict(out: string, differing: readonly string[]): VillaError {
  return new VillaError(
    "AlreadyExists",
    `${out} was made with other settings (${differing.join(", ")}); pass --overwrite to replace it, or another --out.`,
  );
}

function foreign(folder: string): VillaError {
  return new VillaError(
    "AlreadyExists",
    `${folder} holds something that villa ingest has not made; give another --out.`,
  );
}

async function remove(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 10 });
}
