import { copyFile, link, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { checkArgument, checkFinite, isVillaError, openSafetensors, readSafetensors, VillaError } from "@villa/data";
import { atomicWriteFile, fileError, fileSource, readFileBytes, withPath } from "@villa/data/node";
import { checkpointFormat, formatCheckpoint } from "../../train/checkpoint-file.ts";
import type { CheckpointStore } from "../../train/options.ts";
import { type Checkpoint, checkpointRule, type RunPosition } from "../../train/state.ts";
import { removeLeftovers } from "./leftovers.ts";

/**
 * Writes a checkpoint as one safetensors file, whose metadata holds the run's position as JSON, and a readable copy of that
 * JSON beside it (`<path without .safetensors>.json`). Both are replaced atomically; only the first is ever read back, so
 * a crash between the two does no harm.
 *
 * @throws VillaError `FileSystem` when the disk is full or may not be written; the previous checkpoint is intact then
 */
export async function saveCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  checkArgument("path", path, "text");
  checkArgument("checkpoint", checkpoint, checkpointRule);

  const { position, extra = {} } = checkpoint;
  await atomicWriteFile(path, formatCheckpoint(checkpoint));
  await atomicWriteFile(sidecar(path), `${JSON.stringify(readable(position, extra), null, 2)}\n`);
}

/**
 * Reads what {@link saveCheckpoint} wrote.
 *
 * @throws VillaError `NotFound`, `InvalidFile` when it is damaged or no checkpoint, `Unsupported` from a later version,
 *   `NotFinite` when a tensor holds NaN
 */
export async function loadCheckpoint(path: string): Promise<Checkpoint> {
  const bytes = await readFileBytes(path);
  return withPath(path, () => {
    const { tensors, metadata } = readSafetensors(bytes);
    const parsed = parseMetadata(metadata);
    for (const [name, tensor] of tensors) checkFinite(name, tensor);
    return { tensors, ...parsed };
  });
}

/**
 * What a checkpoint's writer stored beside the weights, which are not read.
 *
 * @throws VillaError as {@link loadCheckpoint}
 */
export async function readCheckpointExtra(path: string): Promise<Readonly<Record<string, unknown>>> {
  const source = await fileSource(path);
  return withPath(path, async () => parseMetadata((await openSafetensors(source)).metadata).extra ?? {});
}

/**
 * Keeps a run's `last.safetensors` and `best.safetensors` in a folder. The best one is a second name of the file that was
 * the last at that time, so it costs no second write.
 *
 * @returns the store, whose `loadLast` throws as {@link loadCheckpoint}, and the paths of both files
 */
export function folderCheckpoints(
  folder: string,
): CheckpointStore & { readonly lastPath: string; readonly bestPath: string } {
  checkArgument("folder", folder, "text");

  const lastPath = join(folder, "last.safetensors");
  const bestPath = join(folder, "best.safetensors");
  return {
    lastPath,
    bestPath,
    saveLast: async (checkpoint) => {
      await saveCheckpoint(lastPath, checkpoint);
    },
    markBest: async () => {
      await duplicate(lastPath, bestPath);
      await duplicate(sidecar(lastPath), sidecar(bestPath));
    },
    loadLast: async () => {
      // A resumed run owns its folder, so nobody else is writing these files.
      await removeLeftovers(folder, (name) => /^(last|best)\.(safetensors|json)$/.test(name));
      try {
        return await loadCheckpoint(lastPath);
      } catch (error) {
        if (isVillaError(error, "NotFound")) return undefined;
        if (!isVillaError(error, "NotFinite")) throw error;
        throw new VillaError("NotFinite", `${error.message} Begin anew with resume=never.`, { cause: error });
      }
    },
  };
}

/** Gives a file a second name, atomically: by a hard link where the file system has them, else by a copy. */
async function duplicate(from: string, to: string): Promise<void> {
  const temporary = join(dirname(to), `${basename(to)}.${process.pid}.tmp`);
  try {
    await rm(temporary, { force: true });
    await link(from, temporary).catch(() => copyFile(from, temporary));
    await rename(temporary, to);
    // POSIX: renaming one name of a file onto another name of the same file does nothing and leaves both.
    await rm(temporary, { force: true });
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw fileError(error, { path: to, doing: "write" });
  }
}

function sidecar(path: string): string {
  return `${path.replace(/\.safetensors$/, "")}.json`;
}

function parseMetadata(metadata: Readonly<Record<string, string>>): Required<Omit<Checkpoint, "tensors">> {
  const version = metadata["villa.format"];
  const position = metadata["villa.position"];
  if (version === undefined || position === undefined) {
    throw new VillaError("InvalidFile", "It is a safetensors file but not a training checkpoint.");
  }
  if (version !== "1" && version !== checkpointFormat)
    throw new VillaError(
      "Unsupported",
      `It is a checkpoint of the newer format ${version}; update the @villa packages.`,
    );
  const read = parseJson(position) as RunPosition;
  return {
    position: version === "1" ? countedFromOne(read) : read,
    extra: parseJson(metadata["villa.extra"] ?? "{}") as Record<string, unknown>,
  };
}

function countedFromOne(position: RunPosition): RunPosition {
  const { bestEpoch } = position.stopping;
  return { ...position, stopping: { ...position.stopping, bestEpoch: bestEpoch === null ? null : bestEpoch + 1 } };
}

/** The position without the generators' 1 248 words. */
function readable(position: RunPosition, extra: Readonly<Record<string, unknown>>): object {
  const { random: _random, epochRandom: _epochRandom, optimizerSteps: _steps, ...shown } = position;
  return { ...shown, ...extra };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new VillaError("InvalidFile", "Its metadata is not JSON.", { cause });
  }
}
