// Builds the whole site into site/dist, offline: the laboratory, the gallery, the pages, then VitePress; fails on a link
// that is dead. --no-gallery leaves the gallery's results out, which take minutes.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync } from "node:fs";
import { join } from "node:path";
import { deadLinks } from "./check-links.ts";
import { makeExhibits, writeGallery } from "./gallery.ts";
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
if (!process.argv.includes("--no-gallery")) {
  makeExhibits(join(site, "content/public"));
  writeGallery(join(site, "content"));
}
// Copies of released versions, which the workflow puts there, go along.
const copies = join(site, "versions");
if (existsSync(copies)) cpSync(copies, join(site, "content/public"), { recursive: true });
run("vitepress/bin/vitepress.js", site, "build", ".");

const dead = deadLinks(join(site, "dist"), process.env.SITE_BASE);
if (dead.length > 0) {
  console.error(`${dead.length} dead links:\n${dead.join("\n")}`);
  process.exitCode = 1;
}
