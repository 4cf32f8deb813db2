// Gathers the site's pages in content/: copies of the repository's Markdown with links between pages, the API reference by
// typedoc, the benchmarks' history, and the laboratory. Run before VitePress; content/ is not committed.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { writeGallery } from "./gallery.ts";
import { repository, sections } from "./pages.ts";

const site = import.meta.dirname;
const root = join(site, "..");
const content = join(site, "content");

/** Pages by the file of the repository that they are made of. */
export type Pages = ReadonlyMap<string, readonly [page: string, title: string]>;

/** Every Markdown file that becomes a page. */
export function allPages(): Pages {
  const pages = new Map<string, readonly [page: string, title: string]>();
  for (const [, entries] of sections) {
    for (const [title, file, page] of entries) if (existsSync(join(root, file))) pages.set(file, [page, title]);
  }
  for (const name of readdirSync(join(root, "packages"))) {
    const file = `packages/${name}/README.md`;
    pages.set(file, [`packages/${name}`, manifestOf(file).name]);
  }
  for (const name of readdirSync(join(root, "docs/decisions"))) {
    const [heading] = readFileSync(join(root, "docs/decisions", name), "utf8").split("\n", 1);
    pages.set(`docs/decisions/${name}`, [`decisions/${name.replace(".md", "")}`, (heading ?? name).replace(/^# /, "")]);
  }
  return pages;
}

/**
 * A page with its links turned: to another page where the target is one, to the repository where it is a file there.
 *
 * @param file path in the repository
 */
export function turnLinks(text: string, file: string, pages: Pages): string {
  // Code blocks stay as they are.
  return text
    .split(/(^```[\s\S]*?^```)/m)
    .map((part) =>
      part.startsWith("```")
        ? part
        : part.replace(
            /(!?)\]\(([^)\s]+)\)|(!)\[([^\]]*)\]\(([^)\s]+)\)/g,
            (whole, bang, target, image, alt, source) => {
              if (image) return `![${alt}](${turned(source, file, pages, true)})`;
              return bang ? whole : `](${turned(target, file, pages, false)})`;
            },
          ),
    )
    .join("");
}

function turned(target: string, file: string, pages: Pages, isImage: boolean): string {
  if (/^[a-z]+:|^#/.test(target)) return target;
  const [path = "", anchor] = target.split("#");
  const found = posix.normalize(posix.join(posix.dirname(file), path)).replace(/\/$/, "");
  const hash = anchor ? `#${anchor}` : "";
  const page = pages.get(found) ?? pages.get(`${found}/README.md`);
  if (page) return `/${page[0]}${hash}`;
  if (found === "docs/decisions") return "/decisions/";
  if (found === "packages") return "/packages/";
  if (found === "README.md" || found === "docs/README.md") return "/";
  if (isImage || found.startsWith("docs/images/")) return `/${posix.relative("docs", found)}`;
  return `${repository}/${found}${hash}`;
}

function copyPages(pages: Pages): void {
  for (const [file, [page, title]] of pages) {
    const text = turnLinks(readFileSync(join(root, file), "utf8"), file, pages);
    write(`${page}.md`, `---\ntitle: ${JSON.stringify(title)}\n---\n\n${text}`);
  }
  const decisions = [...pages].filter(([file]) => file.startsWith("docs/decisions/"));
  const list = decisions.map(([, [page, title]]) => `- [${title}](/${page})`).join("\n");
  write("decisions/index.md", `# Decisions\n\nWhat a newcomer would question, and why it is so.\n\n${list}\n`);
  const readmes = [...pages].filter(([file]) => file.startsWith("packages/"));
  const rows = readmes
    .map(([file, [page, title]]) => `| [${title}](/${page}) | ${manifestOf(file).description} |`)
    .join("\n");
  write("packages/index.md", `# Packages\n\n| package | what it is |\n|---|---|\n${rows}\n`);
}

/** The package.json beside a README. */
const manifestOf = (file: string): { readonly name: string; readonly description: string } =>
  JSON.parse(readFileSync(join(root, dirname(file), "package.json"), "utf8"));

interface BenchmarkRun {
  readonly date: string;
  readonly machine: { readonly processor: string; readonly cores: number };
  readonly results: readonly { readonly name: string; readonly ratio?: number | null | undefined }[];
}

/** A table of every run of `npm run bench -- --write`. */
function benchmarkHistory(): void {
  const folder = join(root, "benchmarks/results");
  const runs = readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name): BenchmarkRun => JSON.parse(readFileSync(join(folder, name), "utf8")));
  const names = [...new Set(runs.flatMap(({ results }) => results.map(({ name }) => name)))];
  const rows = runs.map(({ date, machine, results }) => {
    const cells = names.map((name) => {
      const ratio = results.find((result) => result.name === name)?.ratio;
      return typeof ratio === "number" ? `${ratio.toFixed(2)}×` : "";
    });
    return `| ${date.slice(0, 10)} | ${machine.processor}, ${machine.cores} cores | ${cells.join(" | ")} |`;
  });
  const header = `| date | machine | ${names.join(" | ")} |\n|---|---|${names.map(() => "---:|").join("")}`;
  write(
    "benchmarks.md",
    `---\ntitle: Benchmarks over time\n---\n\n# Benchmarks over time\n\nPyTorch's time over ours: above 1 ours is faster. Each row is one run of \`npm run bench -- --write\`; [Speed](/speed) explains the latest.\n\n${header}\n${rows.join("\n")}\n`,
  );
}

function home(): void {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const credit = /## Credit\n\n([\s\S]*)$/.exec(readme)?.[1] ?? "";
  write(
    "index.md",
    `---
layout: home
title: ViLLA in TypeScript
hero:
  name: ViLLA in TypeScript
  text: Which sentence speaks of which part of the picture?
  tagline: Fine-grained vision-language learning on TensorFlow.js, in Node and in the browser, on a CPU or a GPU.
  image: { src: /images/docmnist.png, alt: "DocMNIST images with their regions" }
  actions:
    - { theme: brand, text: Begin, link: /guide }
    - { theme: alt, text: Try it in this page, link: /laboratory }
    - { theme: alt, text: Your own data, link: /own-data }
features:
  - { title: Your pictures and texts, details: "From a table and a folder of images to regions that answer to words, in five commands.", link: /own-data }
  - { title: Checked against the original, details: "Values computed by the authors' code are the referee of every number, on every backend.", link: /accuracy }
  - { title: Faster than PyTorch on the same CPU, details: "Measured side by side, with the figures and the programs.", link: /speed }
  - { title: Nothing to install, details: "The same model code generates, trains and searches in a page.", link: /laboratory }
---

## Credit

${credit}`,
  );
}

function laboratory(): void {
  write(
    "laboratory.md",
    `---
title: Laboratory
layout: page
---

<h1 class="visually-hidden">Laboratory</h1>
<p class="full-screen"><a href="./lab/index.html" target="_self">Open full-screen</a></p>
<iframe class="laboratory" src="./lab/index.html" title="DocMNIST laboratory" loading="lazy"></iframe>
`,
  );
}

function apiReference(): void {
  const typedoc = join(root, "node_modules/typedoc/bin/typedoc");
  const options = ["--plugin", join(root, "scripts/typedoc-plugin.mjs")];
  execFileSync(
    process.execPath,
    [
      typedoc,
      ...options,
      ...["--plugin", join(site, "node_modules/typedoc-plugin-markdown/dist/index.js"), "--out", join(content, "api")],
      ...["--readme", "none", "--hideBreadcrumbs", "true", "--entryFileName", "index", "--logLevel", "Warn"],
      ...["--sanitizeComments", "true", "--router", "module"],
    ],
    { cwd: root, stdio: ["ignore", "inherit", "inherit"] },
  );
  for (const path of readdirSync(join(content, "api"), { recursive: true, encoding: "utf8" })) {
    if (!path.endsWith(".md")) continue;
    const file = join(content, "api", path);
    writeFileSync(file, mendAnchors(readFileSync(file, "utf8")));
  }
}

/**
 * A page of the API reference whose links within it lead to its headings. typedoc-plugin-markdown counts members in tables
 * as headings too, and links to "#name-1" where "#name" is the only one.
 */
export function mendAnchors(text: string): string {
  const counts = new Map<string, number>();
  for (const [, title] of text.matchAll(/^#+ (.+)$/gm)) {
    const anchor = title!
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, "-")
      .replace(/^-|-$/g, "");
    counts.set(anchor, (counts.get(anchor) ?? 0) + 1);
  }
  return text.replace(/\]\(#([a-z0-9-]+?)-(\d+)\)/g, (whole, anchor, nth) =>
    Number(nth) >= (counts.get(anchor) ?? 0) && counts.has(anchor) ? `](#${anchor})` : whole,
  );
}

function write(path: string, text: string): void {
  mkdirSync(dirname(join(content, path)), { recursive: true });
  writeFileSync(join(content, path), text);
}

export function prepare(): void {
  rmSync(content, { recursive: true, force: true });
  copyPages(allPages());
  home();
  benchmarkHistory();
  laboratory();
  writeGallery(content);
  apiReference();
  cpSync(join(root, "docs/images"), join(content, "public/images"), { recursive: true });
  cpSync(join(root, "examples/browser/src/icon.svg"), join(content, "public/icon.svg"));
}

if (process.argv[1] === import.meta.filename) prepare();
