import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { checkArgument } from "@villa/data";

/**
 * Deletes what a killed process has left half-written of some files: `atomicWriteFile` of `@villa/data/node` writes
 * `<name>.<process>-<random>.tmp` first.
 *
 * @param isOwn whether a file of this name is one that no other process is writing now
 */
export async function removeLeftovers(folder: string, isOwn: (name: string) => boolean): Promise<void> {
  checkArgument("folder", folder, "text");
  checkArgument("isOwn", isOwn, "function");

  const names = await readdir(folder).catch(() => []);
  const leftovers = names.filter((name) => {
    const [, file] = /^(.+)\.[^.]+\.tmp$/.exec(name) ?? [];
    return file !== undefined && isOwn(file);
  });
  await Promise.all(leftovers.map((name) => rm(join(folder, name), { force: true })));
}
