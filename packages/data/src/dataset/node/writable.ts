import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { checkText } from "../../formats/check-arguments.ts";
import { fileError } from "./files.ts";

/** Whether files can be written into a folder, found out by writing one; a folder that is missing is made. */
export async function canWriteInto(folder: string): Promise<boolean> {
  checkText(folder, "A folder");
  try {
    await mkdir(folder, { recursive: true });
    await writeProbe(folder);
    return true;
  } catch {
    return false;
  }
}

/**
 * For long work that ends in files: refuses before it begins. A folder that is missing is left to what opens it.
 *
 * @throws VillaError `FileSystem` when nothing can be written into the folder
 */
export async function requireWritable(folder: string): Promise<void> {
  checkText(folder, "A folder");
  if (!existsSync(folder)) return;
  try {
    await writeProbe(folder);
  } catch (error) {
    throw fileError(error, { path: folder, doing: "write" });
  }
}

/** Permissions tell little: disks are mounted read-only, and root may write whatever they say. */
async function writeProbe(folder: string): Promise<void> {
  const probe = join(folder, `.villa-${randomBytes(6).toString("hex")}`);
  await writeFile(probe, "");
  await rm(probe);
}
