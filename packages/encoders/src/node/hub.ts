import { basename, dirname } from "node:path";
import {
  type ArgumentRule,
  checkArgument,
  isVillaError,
  type ProgressListener,
  throwIfAborted,
  VillaError,
} from "@villa/data";
import { downloadFile } from "@villa/data/node";
import { shardNames, weightFiles } from "../weight-folder.ts";
import { HubCache, type HubReference, hubCacheDirectory, parseHubReference } from "./hub-cache.ts";
import { HubServer } from "./hub-server.ts";
import { diskFolder } from "./open-weights.ts";

/** How {@link downloadModel} works. The environment's `HF_ENDPOINT`, `HF_TOKEN`, `HF_HOME` are the defaults. */
export interface DownloadModelOptions {
  /** Address of the hub or of a mirror. Default `HF_ENDPOINT`, else https://huggingface.co. */
  readonly endpoint?: string | undefined;
  /** Access token for gated and private models. Default `HF_TOKEN`. */
  readonly token?: string | undefined;
  /** Default the Python library's folder: `HF_HUB_CACHE`, or `hub` in `HF_HOME`, or `~/.cache/huggingface/hub`. */
  readonly cache?: string | undefined;
  /** Ask the hub whether a branch has moved on, instead of taking what is there. Default false. */
  readonly refresh?: boolean | undefined;
  /** Give up a server that sends nothing for this long. Default 30 000 ms. */
  readonly idleTimeout?: number | undefined;
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A model from the hub, on this machine. */
export interface DownloadedModel {
  /** Its folder, laid out as on the hub. */
  readonly path: string;
  /** The commit. */
  readonly revision: string;
}

/** Everything beside weights that encoders read. */
const smallFiles = [
  "config.json",
  "open_clip_config.json",
  "preprocessor_config.json",
  "processor_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "modules.json",
  "sentence_bert_config.json",
  "1_Pooling/config.json",
];
/** What models converted for transformers.js have instead. */
const onnxFiles = ["onnx/vision_model.onnx", "onnx/text_model.onnx"];
/** Holds the whole of a model with one side; of a model with two it repeats what their own files hold. */
const wholeOnnxFile = "onnx/model.onnx";

export const downloadRule: ArgumentRule = {
  "endpoint?": "text",
  "token?": "text",
  "cache?": "text",
  "refresh?": "boolean",
  "idleTimeout?": "number",
  "onProgress?": "function",
  "signal?": "object",
};

/**
 * Downloads a model from the Hugging Face hub, or finds it in the cache; a model that is there needs no network.
 *
 * Interrupted downloads are continued. Sizes and hashes are those that the hub announces for each file.
 *
 * @param name `hf:ORG/NAME` or `hf:ORG/NAME@REVISION`
 * @throws VillaError `InvalidArgument`, `NotFound` (no such model, or nothing in it that can be read), `Network` (for a
 *   gated model with what to do), `ChecksumMismatch`, `FileSystem`, `Aborted`
 */
export async function downloadModel(name: string, options: DownloadModelOptions = {}): Promise<DownloadedModel> {
  checkArgument("name", name, "text");
  checkArgument("options?", options, downloadRule);

  const download = new ModelDownload(name, parseHubReference(name), options);
  for (const file of smallFiles) await download.file(file);
  const weights =
    (await download.firstOf(weightFiles)) ??
    (await download.someOf(onnxFiles)) ??
    (await download.someOf([wholeOnnxFile]));
  if (!weights) {
    throw new VillaError(
      "NotFound",
      `${name} has no weights that can be read (looked for ${[...weightFiles, ...onnxFiles, wholeOnnxFile].join(", ")}).`,
    );
  }
  return download.result();
}

class ModelDownload {
  readonly #name: string;
  readonly #reference: HubReference;
  readonly #options: DownloadModelOptions;
  readonly #server: HubServer;
  readonly #cache: HubCache;
  #commit: string | undefined;
  #isFresh = false;

  constructor(name: string, reference: HubReference, options: DownloadModelOptions) {
    this.#name = name;
    this.#reference = reference;
    this.#options = options;
    this.#server = new HubServer(reference, { ...options, name });
    this.#cache = new HubCache(reference, options.cache ?? hubCacheDirectory());
  }

  result(): DownloadedModel {
    const revision = this.#commit!;
    return { path: this.#cache.snapshot(revision), revision };
  }

  /** The first of several files that the model has. */
  async firstOf(files: readonly string[]): Promise<string | undefined> {
    for (const file of files) {
      const path = await this.file(file);
      if (path === undefined) continue;
      if (file.endsWith(".index.json")) for (const shard of await shardsOf(path)) await this.#require(shard, file);
      return path;
    }
    return undefined;
  }

  /** All of several files that the model has; weights beside an ONNX graph come with it. */
  async someOf(files: readonly string[]): Promise<string | undefined> {
    let found: string | undefined;
    for (const file of files) {
      const path = await this.file(file);
      if (path === undefined) continue;
      found = path;
      await this.file(`${file}_data`);
    }
    return found;
  }

  async #require(file: string, index: string): Promise<void> {
    if ((await this.file(file)) !== undefined) return;
    throw new VillaError("NotFound", `${this.#name} has no ${file}, which its ${index} names; tell its authors.`);
  }

  /** A file's path in the cache; undefined when the model has none of that name. */
  async file(file: string): Promise<string | undefined> {
    throwIfAborted(this.#options.signal);
    if (!this.#isFresh && !this.#options.refresh) this.#commit ??= await this.#cache.commit();
    const known = this.#commit === undefined ? undefined : this.#cache.find(this.#commit, file);
    if (known !== undefined) return known ?? undefined;
    // Once a commit is known, all files come from it, even if the branch moves meanwhile.
    const found = await this.#server.ask(file, this.#isFresh ? this.#commit! : this.#reference.revision);
    await this.#setCommit(found.commit);
    if (found.hash === undefined) {
      await this.#cache.noteAbsent(this.#commit!, file);
      return undefined;
    }
    const url = this.#server.url(file, this.#commit!);
    const isSha256 = /^[0-9a-f]{64}$/.test(found.hash);
    const isGit = /^[0-9a-f]{40}$/.test(found.hash);
    try {
      await downloadFile({
        // The same address again: a connection that broke goes on where it ended.
        urls: [url, url, url],
        path: this.#cache.blob(found.hash),
        name: `${file} of ${this.#reference.repository}`,
        sha256: isSha256 ? found.hash : undefined,
        gitSha1: isGit ? found.hash : undefined,
        size: found.size,
        headers: this.#server.headers,
        onProgress: this.#options.onProgress,
        signal: this.#options.signal,
        idleTimeout: this.#options.idleTimeout,
      });
    } catch (error) {
      if (!isVillaError(error, "Network") && !isVillaError(error, "ChecksumMismatch")) throw error;
      const way = `Check the network and whether ${this.#server.endpoint} is right, then call again: it goes on where it stopped.`;
      throw new VillaError(error.code, error.message.replace(/Check the network, or put .*$/, way), { cause: error });
    }
    return this.#cache.link(found.hash, { commit: this.#commit!, file });
  }

  async #setCommit(commit: string | undefined): Promise<void> {
    if (this.#isFresh) return;
    this.#isFresh = true;
    // A mirror may name no commit: the revision itself then is the snapshot's name.
    this.#commit = commit ?? this.#commit ?? this.#reference.revision.replaceAll("/", "--");
    await this.#cache.noteCommit(this.#commit);
  }
}

/** Files that an index of sharded weights names. @throws VillaError `InvalidFile` */
async function shardsOf(index: string): Promise<string[]> {
  const shards = await shardNames(diskFolder(dirname(index)), basename(index));
  if (shards.length > 0 && shards.every((shard) => /^[\w.-]+$/.test(shard))) return shards;
  throw new VillaError("InvalidFile", `${index} names no shards of weights.`);
}
