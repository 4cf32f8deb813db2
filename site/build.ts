// Builds the whole site into site/dist, offline: the laboratory, the pages, then VitePress.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { prepare } from "./prepare.ts";

const site = import.meta.dirname;
const run = (tool: string, folder: string, ...argv: readonly string[]): Buffer =>
  execFileSync(process.execPath, [join(folder, "node_modules", tool), ...argv], { cwd: folder, stdio: "inherit" });

prepare();
const laboratory = join(site, "../examples/browser");
// From the packages' sources, so that the site needs no build of them.
const out = join(site, "content/public/lab");
run(
  "vite/bin/vite.js",
  laboratory,
  "build",
  "--mode",
  "source",
  "--outDir",
  out,
  "--emptyOutDir",
  "--logLevel",
  "warn",
);
run("vitepress/bin/vitepress.js", site, "build", ".");
