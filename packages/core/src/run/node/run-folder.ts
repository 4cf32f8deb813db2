import { existsSync } from "node:fs";
import { mkdir, rename, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { checkArgument } from "@villa/data";
import { fileError, folderBeside } from "@villa/data/node";
import { type Fingerprint, fingerprintDifferences, requireSameRun } from "../fingerprint.ts";
import { removeLeftovers } from "./leftovers.ts";

/** What {@link RunFolder.open} needs to know of a run. */
export interface RunFolderOptions {
  /** Where the run's results go. */
  readonly directory: string;
  /** `auto` goes on with checkpoints of the same fingerprint, `never` starts anew. */
  readonly resume: "auto" | "never";
  /** What decides the run's numbers. */
  readonly fingerprint: Fingerprint;
  /** Names of the files and folders that training writes; nothing else in `directory` is touched. */
  readonly results: readonly string[];
  /** The fingerprint of the checkpoints in a folder; undefined where there are none, or none that tell it. */
  readonly readFingerprint: (folder: string) => Promise<Fingerprint | undefined>;
}

/**
 * The folder of a run. One that starts anew over earlier results is written beside them, into `<directory>.new`, and takes
 * their place when it is trained: a mistake or an interruption before that leaves the earlier results as they were.
 */
export class RunFolder {
  /** Where the results are in the end. */
  readonly directory: string;
  readonly #results: readonly string[];
  #current: string;

  private constructor(options: RunFolderOptions, current: string) {
    checkOptions(options);
    checkArgument("current", current, "text");
    const { directory, results } = options;

    this.directory = directory;
    this.#results = results;
    this.#current = current;
  }

  /**
   * Finds where a run goes on or begins.
   *
   * @throws VillaError `Mismatch` with `resume: "auto"` when the checkpoints are those of another run, naming what differs
   */
  static async open(options: RunFolderOptions): Promise<RunFolder> {
    checkOptions(options);
    const { directory, resume, fingerprint, results, readFingerprint } = options;
    const beside = folderBeside(directory);
    if (resume === "never") {
      await removeResults(beside, results);
      return new RunFolder(options, results.some((name) => existsSync(join(directory, name))) ? beside : directory);
    }
    const begun = await readFingerprint(beside);
    if (begun && fingerprintDifferences(begun, fingerprint).length === 0) return new RunFolder(options, beside);
    const found = await readFingerprint(directory);
    if (found) requireSameRun(directory, { found, own: fingerprint });
    return new RunFolder(options, directory);
  }

  /** Where the run is written now. */
  get current(): string {
    return this.#current;
  }

  /** Puts a trained run in the place of the earlier one, if it is not there yet. @throws VillaError `FileSystem` */
  async takePlace(): Promise<void> {
    if (this.#current === this.directory) return;
    try {
      await mkdir(this.directory, { recursive: true });
      for (const name of this.#results) {
        await removeAll(join(this.directory, name));
        const made = join(this.#current, name);
        if (existsSync(made)) await rename(made, join(this.directory, name));
      }
      await removeResults(this.#current, this.#results);
    } catch (error) {
      throw fileError(error, { path: this.directory, doing: "write" });
    }
    this.#current = this.directory;
  }
}

function removeAll(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true, maxRetries: 10 });
}

/** Removes what training wrote into a folder, and the folder if nothing else is in it. */
async function removeResults(folder: string, results: readonly string[]): Promise<void> {
  await Promise.all(results.map((name) => removeAll(join(folder, name))));
  await removeLeftovers(folder, (name) => results.includes(name));
  // Fails, and leaves the folder, where other files are in it.
  await rmdir(folder).catch(() => undefined);
}

function checkOptions(options: RunFolderOptions): void {
  checkArgument("options", options, {
    directory: "text",
    resume: "'auto' | 'never'",
    fingerprint: "object",
    results: ["text"],
    readFingerprint: "function",
  });
}
