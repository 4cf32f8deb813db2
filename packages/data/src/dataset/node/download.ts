import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { isVillaError, throwIfAborted, VillaError } from "../../errors.ts";
import { checkList, checkObject, checkText, isText } from "../../formats/check-arguments.ts";
import { describe } from "../../formats/describe.ts";
import type { ProgressListener } from "../progress.ts";
import { fileError, openRegularFile } from "./files.ts";

/** What to download. */
export interface DownloadOptions {
  /** Mirrors, tried in order. */
  readonly urls: readonly string[];
  /** Where the finished file goes; an unfinished one is kept as `<path>.part` and continued next time. */
  readonly path: string;
  /** Expected checksum, in hexadecimal. Without one, an unfinished download starts again from the beginning. */
  readonly sha256?: string | undefined;
  readonly md5?: string | undefined;
  /** Id of the file's contents as git counts it: SHA-1 of "blob", its size and its bytes. */
  readonly gitSha1?: string | undefined;
  /** Expected size in bytes, where it is known beforehand. */
  readonly size?: number | undefined;
  /** Sent with every request; fetch keeps an authorization from other hosts that it is redirected to. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly onProgress?: ProgressListener | undefined;
  /** What progress and messages call the file. Default its name at `path`. */
  readonly name?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** A mirror that sends nothing for this long is given up (default 30 000 ms). */
  readonly idleTimeout?: number | undefined;
}

/**
 * Downloads a file, unless it is there already with the right checksum. Interrupted downloads are continued where the
 * server allows it, at the next mirror too; the finished file appears at `path` only when its checksum is right.
 *
 * @returns `path`
 * @throws VillaError `Network` naming each mirror's failure, `ChecksumMismatch`, `FileSystem`, `Aborted`
 */
export async function downloadFile(options: DownloadOptions): Promise<string> {
  checkObject(options, "The options of downloadFile");
  checkText(options.path, "A path");
  checkList(options.urls, "Addresses", isText);
  const { path, urls, signal } = options;
  throwIfAborted(signal);
  if (await isComplete(options)) return path;
  const part = `${path}.part`;
  await guarded(path, () => mkdir(dirname(path), { recursive: true }));
  if (!checksum(options)) await rm(part, { force: true });

  const failures: string[] = [];
  let mismatch = false;
  for (const url of urls) {
    // A second try from the beginning: what was continued may have been of another version of the file.
    for (const attempt of [0, 1]) {
      const resumed = await sizeOf(part);
      try {
        await fetchInto(url, part, resumed, options);
        await verify(part, options);
        await guarded(path, () => rename(part, path));
        return path;
      } catch (error) {
        if (!isVillaError(error) || (error.code !== "Network" && error.code !== "ChecksumMismatch")) throw error;
        mismatch ||= error.code === "ChecksumMismatch";
        if (error.code === "ChecksumMismatch") await rm(part, { force: true });
        if (error.code === "ChecksumMismatch" && resumed > 0 && attempt === 0) continue;
        failures.push(`${new URL(url).host}: ${error.message}`);
        break;
      }
    }
  }
  throw new VillaError(
    mismatch ? "ChecksumMismatch" : "Network",
    `Cannot download ${options.name ?? basename(path)} (${failures.join("; ")}). Check the network, or put the file at ${path} yourself.`,
  );
}

async function fetchInto(url: string, part: string, from: number, options: DownloadOptions): Promise<void> {
  const { onProgress, signal, idleTimeout = 30_000, name = basename(options.path) } = options;
  const stop = new AbortController();
  const onAbort = () => stop.abort();
  signal?.addEventListener("abort", onAbort, { once: true });
  let timer: NodeJS.Timeout | undefined;
  const awake = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stop.abort(), idleTimeout);
  };
  try {
    awake();
    const headers: Record<string, string> = { ...options.headers, "accept-encoding": "identity" };
    if (from > 0) headers.range = `bytes=${from}-`;
    const response = await fetch(url, { headers, signal: stop.signal });
    // 416: there is nothing beyond what we have; the checksum tells whether that is all.
    if (response.status === 416 && from > 0) return;
    if (!response.ok || !response.body) throw new VillaError("Network", `the server answers ${response.status}`);
    const start = startOfBody(response, from);
    const length = Number(response.headers.get("content-length") ?? Number.NaN);
    const total = Number.isFinite(length) ? start + length : options.size;
    if (options.size !== undefined && total !== options.size) {
      throw new VillaError("ChecksumMismatch", `the server sends ${total} bytes, not ${options.size}`);
    }
    const file = await open(part, start > 0 ? "a" : "w").catch((error) => {
      throw fileError(error, { path: part, doing: "write" });
    });
    let done = start;
    try {
      for await (const chunk of response.body) {
        awake();
        await file.writeFile(chunk as Uint8Array).catch((error) => {
          throw fileError(error, { path: part, doing: "write" });
        });
        done += (chunk as Uint8Array).length;
        onProgress?.({ task: `downloading ${name}`, done, total, unit: "bytes" });
        // A response that is longer than it should be may never end.
        if (done > (total ?? done)) break;
      }
    } finally {
      await file.close();
    }
    if (total !== undefined && done > total) {
      throw new VillaError("ChecksumMismatch", `the server sends more than ${total} bytes`);
    }
    if (total !== undefined && done < total) {
      throw new VillaError("Network", `the connection ended after ${done} of ${total} bytes`);
    }
  } catch (error) {
    throwIfAborted(signal);
    if (isVillaError(error)) throw error;
    throw new VillaError("Network", networkReason(error, stop.signal.aborted), { cause: error });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

/** Where in the file the response starts: servers may ignore a range and send everything. */
function startOfBody(response: Response, from: number): number {
  if (response.status !== 206) return 0;
  const start = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "")?.[1];
  if (Number(start) !== from) throw new VillaError("Network", "the server sends another range than was asked for");
  return from;
}

function networkReason(error: unknown, stalled: boolean): string {
  if (stalled) return "the server stopped sending";
  const { cause, message } = error as Error & {
    cause?: { code?: string | undefined; message?: string | undefined } | undefined;
  };
  return cause?.code ?? cause?.message ?? message;
}

type Algorithm = "sha256" | "md5" | "git";

function checksum({ sha256, md5, gitSha1 }: DownloadOptions): { algorithm: Algorithm; expected: string } | undefined {
  if (sha256) return { algorithm: "sha256", expected: sha256.toLowerCase() };
  if (gitSha1) return { algorithm: "git", expected: gitSha1.toLowerCase() };
  return md5 ? { algorithm: "md5", expected: md5.toLowerCase() } : undefined;
}

async function isComplete(options: DownloadOptions): Promise<boolean> {
  if ((await sizeOf(options.path)) === 0) return false;
  const wanted = checksum(options);
  return !wanted || (await hashFile(options.path, wanted.algorithm)) === wanted.expected;
}

async function verify(path: string, options: DownloadOptions): Promise<void> {
  const wanted = checksum(options);
  if (!wanted) return;
  const actual = await hashFile(path, wanted.algorithm);
  if (actual !== wanted.expected) {
    throw new VillaError("ChecksumMismatch", `the ${wanted.algorithm} is ${actual}, not ${wanted.expected}`);
  }
}

/** Checksum of a file, in hexadecimal; `git`: its id among git's objects. @throws VillaError `NotFound`, `FileSystem` */
export async function hashFile(path: string, algorithm: Algorithm): Promise<string> {
  checkText(path, "A path");
  if (algorithm !== "sha256" && algorithm !== "md5" && algorithm !== "git") {
    throw new VillaError("InvalidArgument", `There is no checksum ${describe(algorithm)}; use sha256, md5 or git.`);
  }
  const hash = createHash(algorithm === "git" ? "sha1" : algorithm);
  if (algorithm === "git") hash.update(`blob ${await sizeOf(path)}\0`);
  try {
    await (await openRegularFile(path)).file.close();
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  } catch (error) {
    throw fileError(error, { path, doing: "read" });
  }
  return hash.digest("hex");
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    (stats) => stats.size,
    () => 0,
  );
}

async function guarded<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw fileError(error, { path, doing: "write" });
  }
}
