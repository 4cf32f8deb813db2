import { existsSync, realpathSync } from "node:fs";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { VillaError } from "../../errors.ts";
import { describe, quote } from "../../formats/describe.ts";

/**
 * Finds the images of a dataset folder. Relative paths are inside of it. The original wrote absolute ones, of the machine
 * it ran on: the longest tail of such a path that exists inside of the folder is the file, else the path itself.
 *
 * @param allowOutside follow relative paths and links that leave the folder
 * @returns a function from a row's path to the path of the file, which throws VillaError `NotFound`, `UnsafeFile`
 */
export function imageLocator(directory: string, allowOutside: boolean): (path: string) => string {
  let realDirectory: string | undefined;
  let hasWarned = false;

  /** The path itself when it may be read; links are followed to see where they lead. */
  const checked = (candidate: string, path: string): string => {
    if (allowOutside) return candidate;
    realDirectory ??= realpathSync(directory);
    if (isInside(realDirectory, realpathSync(candidate))) return candidate;
    throw new VillaError(
      "UnsafeFile",
      `The image ${quote(path)} is reached by a link that leaves the dataset folder ${directory}; set VILLA_ALLOW_OUTSIDE=1 (allowOutside) if you trust the dataset.`,
    );
  };

  return (path) => {
    if (typeof path !== "string" || path === "" || path.includes("\0")) {
      throw new VillaError("InvalidArgument", `An image's path must be a text, not ${describe(path)}.`);
    }
    const parts = path.split(/[\\/]+/);
    const absolute = isAbsolute(path) || /^[A-Za-z]:[\\/]/.test(path);
    for (let first = absolute ? 1 : 0; first < (absolute ? parts.length : 1); first++) {
      const candidate = join(directory, ...parts.slice(first));
      if (!allowOutside && !isInside(resolve(directory), resolve(candidate))) {
        if (absolute) continue;
        throw new VillaError(
          "UnsafeFile",
          `The image path ${quote(path)} leaves the dataset folder ${directory}; set VILLA_ALLOW_OUTSIDE=1 (allowOutside) if you trust the dataset.`,
        );
      }
      if (existsSync(candidate)) return checked(candidate, path);
    }
    if (!absolute || !existsSync(path)) throw new VillaError("NotFound", `The image ${path} is not in ${directory}.`);
    if (!hasWarned && !allowOutside) {
      hasWarned = true;
      process.emitWarning(`The dataset ${directory} refers to images outside of its folder, such as ${quote(path)}.`);
    }
    return path;
  };
}

function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
