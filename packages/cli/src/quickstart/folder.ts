import { existsSync } from "node:fs";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { VillaError } from "@villa/data";

const marker = ".villa-quickstart";

/**
 * Makes an empty folder for a quickstart. What an earlier quickstart left in it goes; a folder of anything else is refused.
 *
 * @throws VillaError `AlreadyExists`
 */
export async function freshFolder(path: string): Promise<string> {
  const folder = resolve(path);
  if (existsSync(folder)) {
    const names = await readdir(folder).catch((): never => {
      throw new VillaError("AlreadyExists", `${folder} is a file; give another --out.`);
    });
    if (names.length > 0 && !names.includes(marker)) {
      throw new VillaError(
        "AlreadyExists",
        `${folder} holds something that is not a quickstart, so it is not replaced; give another --out.`,
      );
    }
    // The folder itself stays: a shell may stand in it.
    for (const name of names.filter((each) => each !== marker)) {
      await rm(join(folder, name), { recursive: true, force: true });
    }
  }
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, marker), "Made by `villa quickstart`, which replaces this folder when it runs again.\n");
  return folder;
}
