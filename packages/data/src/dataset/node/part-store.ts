import { existsSync, readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { VillaError } from "../../errors.ts";
import { checkFunction, checkObject, checkText } from "../../formats/check-arguments.ts";
import { checkShard, ownsPart, type Shard } from "../shard.ts";
import { atomicWriteFile, readFileBytes, withPath } from "./files.ts";
import { noteShards, requireParts } from "./shards.ts";

/** Everything that the contents of parts depend on, by the name that a message gives it. Values are those of JSON. */
export type PartSettings = Readonly<Record<string, unknown>>;

/** What a {@link PartStore} keeps, and where. */
export interface PartStoreOptions<T> {
  readonly folder: string;
  /** Ending of the parts' files, without a dot. */
  readonly extension: string;
  /** The bytes, or the text, of a part. */
  encode(value: T): Uint8Array | string;
  /** @throws VillaError `InvalidFile` when these are not the bytes of this part */
  decode(bytes: Uint8Array, part: number): T;
  /** A part's file name without its ending. Default `part-000007`. */
  readonly name?: ((part: number) => string) | undefined;
  /**
   * What the parts depend on; kept in `job.json` beside them, so that parts of other work are never taken for these.
   * Without settings, the name of the folder has to tell them apart.
   */
  readonly settings?: PartSettings | undefined;
  /** The error for a folder that holds parts made with other settings. Default `AlreadyExists`, naming what differs. */
  readonly conflict?: ((other: PartSettings, differing: readonly string[]) => VillaError) | undefined;
  /** Parts that are kept but count as finished only for callers that accept flaws. */
  readonly isFlawed?: ((value: T) => boolean) | undefined;
}

/** Items of a part, where parts are runs of a table's rows or a dataset's images: what a kill can cost at most. */
export const itemsPerPart = 64;

/** Whether flawed parts count as finished. */
export interface FlawOptions {
  readonly acceptFlaws?: boolean | undefined;
}

/**
 * A folder of finished parts of some work, a file each: what a kill cannot take away, and what several processes share
 * out among them. A file appears under its name only when it is whole, so processes need no other agreement than the
 * settings of the work and their shard numbers; two that make the same part write the same bytes.
 *
 * @example
 * await store.begin();
 * for (const part of await store.claim(total, shard)) await store.write(part, await compute(part));
 * if (!shard) for await (const value of store.join(total)) use(value);
 */
export class PartStore<T> {
  readonly folder: string;
  readonly #options: PartStoreOptions<T>;

  constructor(options: PartStoreOptions<T>) {
    checkObject(options, "The options of a PartStore");
    checkText(options.folder, "A folder of parts");
    checkText(options.extension, "The ending of parts");
    checkFunction(options.encode, "The option encode of a PartStore");
    checkFunction(options.decode, "The option decode of a PartStore");
    this.folder = options.folder;
    this.#options = options;
  }

  /**
   * Takes the folder for this work: notes its settings, or finds them noted already.
   *
   * @throws VillaError as `conflict` says when the folder holds parts of other work, or parts of which nothing is known;
   *   `InvalidFile` when its `job.json` is damaged
   */
  async begin(): Promise<void> {
    const { settings, conflict = this.#conflict } = this.#options;
    if (settings === undefined) return;
    const known = await this.settings();
    if (known === undefined) {
      const [stray] = this.#names().filter((name) => name.endsWith(`.${this.#options.extension}`));
      if (stray !== undefined) {
        throw new VillaError(
          "AlreadyExists",
          `${join(this.folder, stray)} was made with settings that are not known; remove ${this.folder} and begin again.`,
        );
      }
      await atomicWriteFile(join(this.folder, jobFile), `${JSON.stringify({ settings }, null, 2)}\n`);
      return;
    }
    const differing = differingSettings(known, settings);
    if (differing.length > 0) throw conflict.call(this, known, differing);
  }

  /**
   * The settings that are noted in the folder; undefined where there are none.
   *
   * @throws VillaError `InvalidFile`
   */
  async settings(): Promise<PartSettings | undefined> {
    const path = join(this.folder, jobFile);
    if (!existsSync(path)) return undefined;
    const value = await readJson(path);
    if (isRecord(value) && isRecord(value.settings)) return value.settings;
    // Before there was this store, the stage "preprocess" noted its manifest itself: more than what parts depend on.
    if (isRecord(value)) {
      const keys = Object.keys(this.#options.settings ?? {}).filter((key) => key in value);
      if (keys.length > 0) return Object.fromEntries(keys.map((key) => [key, value[key]]));
    }
    throw new VillaError("InvalidFile", `${path} is damaged; remove ${this.folder} and begin again.`);
  }

  /** Whether the folder is of exactly this work. */
  async isOfThisWork(): Promise<boolean> {
    const known = await this.settings();
    return known !== undefined && differingSettings(known, this.#options.settings ?? {}).length === 0;
  }

  /** Which parts are there at this moment. */
  finished({ acceptFlaws = false }: FlawOptions = {}): (part: number) => boolean {
    const names = new Set(this.#names());
    return (part) => names.has(this.#name(part, false)) || (acceptFlaws && names.has(this.#name(part, true)));
  }

  /** Numbers of the parts, or of a shard's parts, that are not there yet, ascending. */
  missing(total: number, { shard, ...flaws }: FlawOptions & { readonly shard?: Shard | undefined } = {}): number[] {
    const isFinished = this.finished(flaws);
    return Array.from({ length: total }, (_, part) => part).filter(
      (part) => !isFinished(part) && (shard === undefined || ownsPart(shard, part)),
    );
  }

  /** Notes how many shards there are, so that those which are missing can be named, and tells what this one has to do. */
  async claim(total: number, shard?: Shard, flaws: FlawOptions = {}): Promise<number[]> {
    if (shard) await this.noteShards(shard);
    return this.missing(total, { shard, ...flaws });
  }

  /** Notes how many shards there are, where it is not known yet how many parts. */
  async noteShards(shard: Shard): Promise<void> {
    checkShard(shard);
    await noteShards(this.folder, shard.count);
  }

  /** Keeps a part. @throws VillaError `FileSystem` */
  async write(part: number, value: T): Promise<void> {
    const { encode, isFlawed } = this.#options;
    const flawed = isFlawed?.(value) ?? false;
    await atomicWriteFile(join(this.folder, this.#name(part, flawed)), encode(value));
    if (isFlawed) await rm(join(this.folder, this.#name(part, !flawed)), { force: true });
  }

  /** @throws VillaError `NotFound`, `InvalidFile` */
  async read(part: number): Promise<T> {
    const whole = join(this.folder, this.#name(part, false));
    const path = this.#options.isFlawed && !existsSync(whole) ? join(this.folder, this.#name(part, true)) : whole;
    const bytes = await readFileBytes(path);
    try {
      return await withPath(path, () => this.#options.decode(bytes, part));
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause;
      throw new VillaError("InvalidFile", `${path} is damaged; remove it and begin again.`, { cause });
    }
  }

  /** @throws VillaError `Mismatch` naming the shards whose parts are missing */
  requireAll(total: number, flaws: FlawOptions = {}): void {
    requireParts(this.folder, { missing: this.missing(total, flaws), total });
  }

  /** All parts in order, one in memory at a time. @throws VillaError `Mismatch` naming the shards that are missing */
  async *join(total: number, flaws: FlawOptions = {}): AsyncGenerator<T> {
    this.requireAll(total, flaws);
    for (let part = 0; part < total; part++) yield await this.read(part);
  }

  /** Removes the folder. */
  async remove(): Promise<void> {
    // Retried, since another process at the same work may still be writing.
    await rm(this.folder, { recursive: true, force: true, maxRetries: 10 });
  }

  #names(): string[] {
    return existsSync(this.folder) ? readdirSync(this.folder) : [];
  }

  #name(part: number, flawed: boolean): string {
    const { name = defaultName, extension } = this.#options;
    return `${name(part)}${flawed ? "-bad" : ""}.${extension}`;
  }

  #conflict(_: PartSettings, differing: readonly string[]): VillaError {
    return new VillaError(
      "AlreadyExists",
      `${this.folder} holds parts made with other settings (${differing.join(", ")}); remove it, or give another folder.`,
    );
  }
}

/** Names of the settings that differ. The order of keys, at any depth, makes no difference; undefined counts as absent. */
export function differingSettings(a: PartSettings, b: PartSettings): string[] {
  checkObject(a, "Settings");
  checkObject(b, "Settings");
  return Object.keys({ ...a, ...b }).filter((key) => canonical(a[key]) !== canonical(b[key]));
}

/** In the folder: the settings of its work. */
const jobFile = "job.json";

const defaultName = (part: number): string => `part-${String(part).padStart(6, "0")}`;

/** JSON with keys in order. */
function canonical(value: unknown): string | undefined {
  return JSON.stringify(value, (_, item: unknown) =>
    isRecord(item) ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1))) : item,
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(new TextDecoder().decode(await readFileBytes(path)));
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    return undefined;
  }
}
