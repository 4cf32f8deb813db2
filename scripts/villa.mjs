// `npm run -s villa -- …`: the `villa` command, from the sources, nothing built; `npm run quickstart` is one of its uses.
import { spawnSync } from "node:child_process";
import { join } from "node:path";

// Ctrl-C reaches the command too, which stops at a safe point; this process waits for it and passes its exit code on.
process.on("SIGINT", () => {});

const root = join(import.meta.dirname, "..");
const { status } = spawnSync(
  process.execPath,
  [
    "--import",
    import.meta.resolve("tsx"),
    "--conditions=@villa/source",
    join(root, "packages/cli/src/cli.ts"),
    ...process.argv.slice(2),
  ],
  // Paths count from where the user stands; npm itself goes to the repository's root.
  { stdio: "inherit", cwd: process.env.INIT_CWD ?? process.cwd() },
);
process.exit(status ?? 1);
