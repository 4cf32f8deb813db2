// `npm run quickstart`: the `villa quickstart` command, from the sources, nothing built.
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const { status } = spawnSync(
  process.execPath,
  [
    "--import",
    "tsx",
    "--conditions=@villa/source",
    join(root, "packages/cli/src/cli.ts"),
    "quickstart",
    ...process.argv.slice(2),
  ],
  { stdio: "inherit", cwd: root },
);
process.exit(status ?? 1);
