// Runs the pinned pnpm without corepack: `node scripts/pnpm.mjs install`.
import { spawnSync } from "node:child_process";

const pnpmVersion = "12.21.0";
const npx = process.platform === "win32" ? "npx.cmd" : "npx";
const { status, error } = spawnSync(npx, ["-y", `pnpm@${pnpmVersion}`, ...process.argv.slice(2)], {
  stdio: "inherit",
  shell: process.platform === "win32",
});
if (error) console.error(error.message);
process.exit(status ?? 1);
