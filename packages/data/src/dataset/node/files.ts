import { randomBytes } from "node:crypto";
import { accessSync, constants, createReadStream, existsSync } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { isVillaError, throwIfAborted, VillaError } from "../../errors.ts";
import { checkArgument, checkFunction, checkText } from "../../formats/check-arguments.ts";
import { describe } from "../../formats/describe.ts";
import type { RangeSource } from "../../formats/safetensors/read.ts";

/**
 * The bytes of a file, of any size (Node's own `readFile` stops at 2 GiB).
 *
 * @throws VillaError `NotFound`, `FileSystem`, `Aborted`
 */
export async function readFileBytes(
  path: string,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<Uint8Array> {
  try {
    const { file, size } = await openRegularFile(path);
    try {
      const bytes = new Uint8Array(size);
      for (let at = 0; at < size; ) {
        throwIfAborted(options.signal);
        const { bytesRead } = await file.read(bytes, at, Math.min(size - at, 1 << 28), at);
        if (bytesRead === 0) throw new VillaError("FileSystem", `${path} became shorter while it was being read.`);
        at += bytesRead;
      }
      return bytes;
    } finally {
      await file.close();
    }
  } catch (error) {
    throw fileError(error, { path, doing: "read" });
  }
}

/**
 * Opens a regular file for reading and refuses anything else: reading a pipe would wait for ever for somebody to write
 * into it, and a device may never end.
 *
 * @throws VillaError `InvalidArgument`, `FileSystem`; what Node throws for files that are not there
 */
export async function openRegularFile(path: string): Promise<{ file: FileHandle; size: number }> {
  if (typeof path !== "string") {
    throw new VillaError("InvalidArgument", `A file's path must be a text, not ${describe(path)}.`);
  }
  // Without waiting for the other end of a pipe. Windows has no such flag, and no such pipes.
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const stats = await file.stat();
    if (stats.isFile()) return { file, size: stats.size };
    const what = stats.isDirectory() ? "it is a folder" : "it is a pipe, a socket or a device, not a regular file";
    throw new VillaError("FileSystem", `Cannot read ${path}: ${what}.`);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** A file as a {@link RangeSource}, for `openSafetensors`. Nothing is kept open between reads. */
export async function fileSource(path: string): Promise<RangeSource> {
  const read = async (start: number, end: number): Promise<Uint8Array> => {
    try {
      const chunks: Buffer[] = [];
      if (end <= start) return new Uint8Array(0);
      for await (const chunk of createReadStream(path, { start, end: end - 1 })) chunks.push(chunk as Buffer);
      // A fresh array: slices of Node's buffer pool are not aligned for tensors.
      const bytes = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.length, 0));
      let at = 0;
      for (const chunk of chunks) {
        bytes.set(chunk, at);
        at += chunk.length;
      }
      return bytes;
    } catch (error) {
      throw fileError(error, { path, doing: "read" });
    }
  };
  try {
    const { file, size } = await openRegularFile(path);
    await file.close();
    return { size, read };
  } catch (error) {
    throw fileError(error, { path, doing: "read" });
  }
}

/**
 * Writes a file so that other programs, and we after a crash, see either the old contents or all of the new: into a
 * temporary file beside it, flushed to disk, then renamed. Missing folders are made.
 *
 * @param contents the bytes, or pieces of them as they become available, or a function that writes a file of them itself
 * @throws VillaError `FileSystem` saying what the system refused (no space, no permission); nothing is left behind
 */
export async function atomicWriteFile(
  path: string,
  contents: Uint8Array | string | Pieces | ((temporary: string) => Promise<void>),
): Promise<void> {
  checkText(path, "A path");
  checkContents(contents);
  const temporary = `${path}.${process.pid}-${randomBytes(4).toString("hex")}.tmp`;
  try {
    await mkdir(dirname(path), { recursive: true });
    const isWritten = typeof contents === "function";
    if (isWritten) await contents(temporary);
    const file = await open(temporary, isWritten ? "r+" : "wx");
    try {
      if (!isWritten) for await (const piece of pieces(contents)) await file.writeFile(piece);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw fileError(error, { path, doing: "write" });
  }
}

/** Where a folder is made anew while the old one stays as it is; see {@link replaceFolder}. */
export function folderBeside(folder: string): string {
  checkText(folder, "A folder");
  return `${folder}.new`;
}

/**
 * Puts a finished folder into the place of another, which goes only when the new one is there. A kill in between leaves
 * both, the old one under a name that ends in `.old`.
 *
 * @throws VillaError `FileSystem`, `NotFound`; the old folder is then in its place
 */
export async function replaceFolder(made: string, folder: string): Promise<void> {
  checkText(made, "A folder");
  checkText(folder, "A folder");
  try {
    if (!existsSync(folder)) return await rename(made, folder);
    const old = `${folder}.${process.pid}-${randomBytes(4).toString("hex")}.old`;
    await rename(folder, old);
    try {
      await rename(made, folder);
    } catch (error) {
      await rename(old, folder);
      throw error;
    }
    // Retried, since another process may still be writing into it.
    await rm(old, { recursive: true, force: true, maxRetries: 10 });
  } catch (error) {
    throw fileError(error, { path: folder, doing: "write" });
  }
}

function checkContents(contents: unknown): void {
  const isIterable =
    typeof contents === "object" &&
    contents !== null &&
    (Symbol.iterator in contents || Symbol.asyncIterator in contents);
  if (typeof contents === "string" || typeof contents === "function" || isIterable) return;
  throw new VillaError("InvalidArgument", `A file's contents must be bytes or a text, not ${describe(contents)}.`);
}

type Pieces = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

function pieces(contents: Uint8Array | string | Pieces): Iterable<Uint8Array | string> | AsyncIterable<Uint8Array> {
  return typeof contents === "string" || contents instanceof Uint8Array ? [contents] : contents;
}

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: "there is no space left on the device",
  EDQUOT: "the disk quota is exceeded",
  EACCES: "permission is denied",
  EPERM: "permission is denied",
  EROFS: "the file system is read-only",
  EISDIR: "it is a folder",
  ENOTDIR: "part of its path is not a folder",
  EMFILE: "too many files are open",
  EIO: "the device reports an error",
  ENAMETOOLONG: "its name is too long",
};

/** Turns what Node's file functions throw into a {@link VillaError} that names the file. Others pass unchanged. */
export function fileError(
  error: unknown,
  options: { readonly path: string; readonly doing: "read" | "write" },
): unknown {
  checkArgument("options", options, { path: "text", doing: "'read' | 'write'" });
  const { path, doing } = options;
  if (isVillaError(error) || typeof error !== "object" || error === null) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined) return error;
  // For folders that would have to be made on a read-only file system, Node's recursive mkdir says ENOENT.
  const refused = code === "ENOENT" && doing === "write" ? refusalAbove(path) : undefined;
  if (code === "ENOENT" && refused === undefined) {
    const what = doing === "read" ? `There is no file ${path}.` : `The folder of ${path} does not exist.`;
    return new VillaError("NotFound", what, { cause: error });
  }
  const reason = reasons[refused ?? code] ?? message;
  return new VillaError("FileSystem", `Cannot ${doing} ${path}: ${reason}.`, { cause: error });
}

/** Why nothing can be written into the nearest folder above a path that exists; undefined where it can. */
function refusalAbove(path: string): string | undefined {
  let folder = dirname(resolve(path));
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  try {
    accessSync(folder, constants.W_OK);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}

/** Puts the file's path in front of errors about its contents. */
export async function withPath<T>(path: string, read: () => T | Promise<T>): Promise<T> {
  checkText(path, "A path");
  checkFunction(read, "The function that reads the file");
  try {
    return await read();
  } catch (error) {
    if (!isVillaError(error) || error.message.includes(path)) throw error;
    throw new VillaError(error.code, `${path}: ${error.message}`, { cause: error });
  }
}
