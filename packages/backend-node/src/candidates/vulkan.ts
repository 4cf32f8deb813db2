import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Looks where the Vulkan loader looks: Dawn prints a warning to stderr where there is no driver. */
export function hasVulkanDriver(): boolean {
  const { VK_ICD_FILENAMES, VK_DRIVER_FILES, VK_ADD_DRIVER_FILES, XDG_DATA_DIRS, XDG_DATA_HOME } = process.env;
  const named = [VK_ICD_FILENAMES, VK_DRIVER_FILES, VK_ADD_DRIVER_FILES].flatMap((list) => list?.split(":") ?? []);
  if (named.some((file) => file !== "" && existsSync(file))) return true;
  const roots = [
    "/etc",
    "/usr/local/etc",
    ...(XDG_DATA_DIRS || "/usr/local/share:/usr/share").split(":"),
    XDG_DATA_HOME || join(homedir(), ".local/share"),
  ];
  return roots.some((root) => {
    const folder = join(root, "vulkan/icd.d");
    return existsSync(folder) && readdirSync(folder).some((file) => file.endsWith(".json"));
  });
}
