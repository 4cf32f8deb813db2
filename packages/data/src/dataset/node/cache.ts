import { homedir } from "node:os";
import { join } from "node:path";
import { checkObject } from "../../formats/check-arguments.ts";

/** Where downloads are kept: the environment variable `VILLA_CACHE`, else `villa` in the system's cache folder. */
export function cacheDirectory(environment: NodeJS.ProcessEnv = process.env, platform = process.platform): string {
  checkObject(environment, "An environment");
  if (environment.VILLA_CACHE) return environment.VILLA_CACHE;
  if (platform === "win32") {
    return join(environment.LOCALAPPDATA ?? join(homedir(), "AppData", "Local"), "villa", "Cache");
  }
  if (platform === "darwin") return join(homedir(), "Library", "Caches", "villa");
  return join(environment.XDG_CACHE_HOME || join(homedir(), ".cache"), "villa");
}
