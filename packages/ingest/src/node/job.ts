import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { type ImageAnnotation, type Shard, VillaError } from "@villa/data";
import { atomicWriteFile, datasetFiles, noteShards, readFileBytes, requireParts } from "@villa/data/node";

/** Rows of one part: what a kill can cost at most, and what shards share out among them. */
export const rowsPerPart = 64;

/** A row that became an image of the dataset. */
export interface IngestedRow {
  readonly annotation: ImageAnnotation;
  /** Path as the table has it. */
  readonly source: string;
  readonly id?: string | undefined;
  readonly group?: string | undefined;
}

/** A row that cannot become one. */
export interface RowProblem {
  /** Counted from 0. */
  readonly row: number;
  readonly image?: string | undefined;
  /** A clause such as "its text is empty". */
  readonly problem: string;
}

export interface IngestedPart {
  readonly rows: readonly IngestedRow[];
  readonly problems: readonly RowProblem[];
}

/** Everything that the result depends on: two processes with equal settings work on the same job. */
export type JobSettings = Readonly<Record<string, unknown>>;

/**
 * A dataset's folder while it is being made: `ingest/` holds a file for each finished part of the table, and what shards
 * have finished. Processes that share the folder need no other agreement than their shard numbers.
 */
export class IngestJob {
  readonly directory: string;
  readonly #folder: string;
  readonly #settings: string;

  constructor(directory: string, settings: JobSettings) {
    this.directory = directory;
    this.#folder = join(directory, "ingest");
    this.#settings = JSON.stringify(settings);
  }

  /**
   * Looks at what is in the folder.
   *
   * @returns true when the dataset is complete already
   * @throws VillaError `AlreadyExists` when it is of other settings and `overwrite` is not set
   */
  async begin(overwrite: boolean): Promise<boolean> {
    const complete = this.#hasAnnotations();
    const path = complete ? join(this.directory, manifestFile) : join(this.#folder, "job.json");
    if (overwrite && (existsSync(join(this.directory, manifestFile)) || existsSync(this.#folder))) {
      await rm(this.directory, { recursive: true, force: true });
    } else if (existsSync(path)) {
      const settings = await readSettings(path);
      if (JSON.stringify(settings) === this.#settings) return complete;
      throw new VillaError(
        "AlreadyExists",
        `${this.directory} was made with other settings (${differences(settings, JSON.parse(this.#settings) as JobSettings)}); pass --overwrite to replace it, or another --out.`,
      );
    } else if (complete || (await this.#hasOthers())) {
      throw new VillaError(
        "AlreadyExists",
        `${this.directory} holds something that is not of villa ingest; give another --out.`,
      );
    }
    await atomicWriteFile(join(this.#folder, "job.json"), `{"settings":${this.#settings}}\n`);
    return false;
  }

  /** Whether the dataset is there, made with the same settings. */
  async isComplete(): Promise<boolean> {
    if (!this.#hasAnnotations()) return false;
    return JSON.stringify(await readSettings(join(this.directory, manifestFile))) === this.#settings;
  }

  /** Numbers of the finished parts; those with bad rows count only when bad rows are skipped. */
  async finishedParts(skipBad: boolean): Promise<Set<number>> {
    const names = await this.#names();
    return new Set(
      names.flatMap((name) => {
        const match = /^part-(\d+)(-bad)?\.json$/.exec(name);
        return match && (skipBad || !match[2]) ? [Number(match[1])] : [];
      }),
    );
  }

  async writePart(index: number, part: IngestedPart): Promise<void> {
    const [name, other] = [partName(index, part.problems.length > 0), partName(index, part.problems.length === 0)];
    await atomicWriteFile(join(this.#folder, name), JSON.stringify(part));
    await rm(join(this.#folder, other), { force: true });
  }

  async readPart(index: number): Promise<IngestedPart> {
    const clean = join(this.#folder, partName(index, false));
    const path = existsSync(clean) ? clean : join(this.#folder, partName(index, true));
    return JSON.parse(new TextDecoder().decode(await readFileBytes(path))) as IngestedPart;
  }

  /** Notes that several processes share out the parts, so that {@link checkShards} can name those that are missing. */
  async beginShard({ count }: Shard): Promise<void> {
    await noteShards(this.#folder, count);
  }

  /** Notes that a process has read the whole table and finished its share. */
  async finishShard({ index, count }: Shard, rows: number): Promise<void> {
    await atomicWriteFile(join(this.#folder, `shard-${index}-of-${count}.json`), JSON.stringify({ rows }));
  }

  /**
   * What has to be there before shards can be merged.
   *
   * @returns number of rows of the table
   * @throws VillaError `Mismatch` naming the shards that are missing
   */
  async checkShards(skipBad: boolean): Promise<number> {
    const names = await this.#names();
    const finished = names.flatMap((name) => {
      return /^shard-\d+-of-\d+\.json$/.test(name) ? [name] : [];
    });
    const [first] = finished;
    if (!first) throw new VillaError("Mismatch", `No shard of ${this.directory} has finished yet.`);
    const text = new TextDecoder().decode(await readFileBytes(join(this.#folder, first)));
    const { rows } = JSON.parse(text) as { rows: number };
    const parts = await this.finishedParts(skipBad);
    const total = Math.ceil(rows / rowsPerPart);
    const missing = Array.from({ length: total }, (_, part) => part).filter((part) => !parts.has(part));
    requireParts(this.#folder, missing, total);
    return rows;
  }

  /** Removes what was needed only while the dataset was being made, and what killed processes have left half written. */
  async finish(): Promise<void> {
    const images = join(this.directory, datasetFiles.images);
    const names = existsSync(images) ? await readdir(images) : [];
    for (const name of names) if (name.endsWith(".tmp")) await rm(join(images, name), { force: true });
    // Retried, since another process at the same work may still be writing.
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 10 });
  }

  /** Removes the lists of bad rows that earlier runs have left. */
  async forgetProblems(): Promise<void> {
    for (const name of await readdir(this.directory)) {
      if (/^problems.*\.jsonl$/.test(name)) await rm(join(this.directory, name), { force: true });
    }
  }

  /** Whether the folder holds anything but what another process that is just beginning may have made. */
  async #hasOthers(): Promise<boolean> {
    if (!existsSync(this.directory)) return false;
    return (await readdir(this.directory)).some((name) => name !== basename(this.#folder));
  }

  #hasAnnotations(): boolean {
    return existsSync(join(this.directory, datasetFiles.annotations));
  }

  async #names(): Promise<string[]> {
    return existsSync(this.#folder) ? readdir(this.#folder) : [];
  }
}

/** In a finished dataset: where it comes from. */
export const manifestFile = "ingest.json";
/** Of that file's summary. */
export const manifestFormat = 2;

async function readSettings(path: string): Promise<JobSettings> {
  const { settings } = JSON.parse(new TextDecoder().decode(await readFileBytes(path))) as { settings: JobSettings };
  return settings;
}

function partName(index: number, hasProblems: boolean): string {
  return `part-${String(index).padStart(6, "0")}${hasProblems ? "-bad" : ""}.json`;
}

function differences(a: JobSettings, b: JobSettings): string {
  const keys = Object.keys({ ...a, ...b });
  return keys.filter((key) => JSON.stringify(a[key]) !== JSON.stringify(b[key])).join(", ");
}
