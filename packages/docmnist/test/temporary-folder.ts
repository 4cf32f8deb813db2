import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";

/** A function that makes folders which are gone after the test. */
export function temporaryFolders(): () => string {
  let folders: string[] = [];
  afterEach(() => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
    folders = [];
  });
  return () => {
    const folder = mkdtempSync(join(tmpdir(), "docmnist-"));
    folders.push(folder);
    return folder;
  };
}
