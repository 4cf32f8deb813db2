import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile, symlink } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, relative } from "node:path";
import { checkArgument, VillaError } from "@villa/data";
import { atomicWriteFile, fileError } from "@villa/data/node";

/** A model on the hub: `hf:ORG/NAME` or `hf:ORG/NAME@REVISION`. */
export interface HubReference {
  /** `ORG/NAME` */
  readonly repository: string;
  /** A branch, tag or commit. Default `main`. */
  readonly revision: string;
}

const part = "[A-Za-z0-9_][A-Za-z0-9._-]{0,95}";
const reference = new RegExp(`^hf:(${part}/${part}|${part})(?:@([A-Za-z0-9_][A-Za-z0-9._/-]{0,250}))?$`);

/** True for what names a model on the hub rather than a folder. */
export function isHubReference(name: string): boolean {
  checkArgument("name", name, "text");

  return name.startsWith("hf:");
}

/** @throws VillaError `InvalidArgument` */
export function parseHubReference(name: string): HubReference {
  const [, repository, revision = "main"] = reference.exec(name) ?? [];
  if (repository && !name.includes("..")) return { repository, revision };
  throw new VillaError(
    "InvalidArgument",
    `"${name}" names no model on the hub; write hf:ORG/NAME or hf:ORG/NAME@REVISION.`,
  );
}

/** `HF_HUB_CACHE`, else `hub` in `HF_HOME`, else in the user's cache: the folder that the Python library uses. */
export function hubCacheDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  checkArgument("environment?", environment, "object");

  if (environment.HF_HUB_CACHE) return environment.HF_HUB_CACHE;
  const cache = environment.XDG_CACHE_HOME || join(homedir(), ".cache");
  return join(environment.HF_HOME || join(cache, "huggingface"), "hub");
}

const commitPattern = /^[0-9a-f]{40}$/;

/**
 * A model's folder in the cache, in the layout that the Python library shares: contents once by their hash in `blobs`,
 * a folder of links for each commit in `snapshots`, the commits of branches in `refs`, files that a commit is known not
 * to have in `.no_exist`.
 */
export class HubCache {
  readonly #folder: string;
  readonly #revision: string;

  constructor({ repository, revision }: HubReference, directory: string) {
    this.#folder = join(directory, `models--${repository.replaceAll("/", "--")}`);
    this.#revision = revision;
  }

  /** The commit that the revision stood for when it was last looked up. */
  async commit(): Promise<string | undefined> {
    if (commitPattern.test(this.#revision)) return this.#revision;
    const path = join(this.#folder, "refs", this.#revision);
    return existsSync(path) ? (await readFile(path, "utf8")).trim() : undefined;
  }

  async noteCommit(commit: string): Promise<void> {
    if (commit !== this.#revision) await atomicWriteFile(join(this.#folder, "refs", this.#revision), commit);
  }

  snapshot(commit: string): string {
    return join(this.#folder, "snapshots", commit);
  }

  blob(hash: string): string {
    return join(this.#folder, "blobs", hash);
  }

  /** A file's path, `null` when the commit is known not to have it, undefined when that is not known. */
  find(commit: string, file: string): string | null | undefined {
    const path = join(this.snapshot(commit), file);
    if (existsSync(path)) return path;
    return existsSync(join(this.#folder, ".no_exist", commit, file)) ? null : undefined;
  }

  async noteAbsent(commit: string, file: string): Promise<void> {
    await atomicWriteFile(join(this.#folder, ".no_exist", commit, file), "");
  }

  /** Makes a blob appear under its name; where links are not allowed, as a copy. */
  async link(hash: string, { commit, file }: { readonly commit: string; readonly file: string }): Promise<string> {
    const path = join(this.snapshot(commit), file);
    const blob = this.blob(hash);
    try {
      await mkdir(dirname(path), { recursive: true });
      await symlink(relative(dirname(path), blob), path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EEXIST") return path;
      if (code !== "EPERM" && code !== "ENOTSUP" && code !== "ENOSYS") throw fileError(error, { path, doing: "write" });
      await copyFile(blob, path);
    }
    return path;
  }
}
