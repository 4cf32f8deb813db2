// Links of the repository's Markdown: which there are, and what they lead to.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";

/** Where a link may point at this repository by its address on the web, as pages of packages must. */
const repository = /^https:\/\/github\.com\/villa-ts\/villa\/(?:blob|tree)\/main\/?/;
/** Folders that hold nothing written here. */
const foreign = new Set(["node_modules", "dist", "content", "fixtures", "cache", "CHANGELOG.md"]);

/** Paths of all Markdown files and notebooks, relative to the folder. */
export function textFiles(folder: string, within = ""): string[] {
  return readdirSync(join(folder, within), { withFileTypes: true }).flatMap((entry) => {
    const path = within ? `${within}/${entry.name}` : entry.name;
    if (foreign.has(entry.name) || entry.name.startsWith(".") || path === "docs/api") return [];
    if (entry.isDirectory()) return textFiles(folder, path);
    return /\.(md|ipynb)$/.test(entry.name) ? [path] : [];
  });
}

/** The Markdown of a file without its code; of a notebook, that of its cells. */
function prose(path: string): string {
  const text = readFileSync(path, "utf8");
  if (!path.endsWith(".ipynb")) return withoutCode(text);
  const { cells } = JSON.parse(text) as { cells: { cell_type: string; source: string[] | string }[] };
  const written = cells
    .filter(({ cell_type }) => cell_type === "markdown")
    .map(({ source }) => [source].flat().join(""));
  return withoutCode(written.join("\n\n"));
}

const withoutCode = (text: string): string => text.replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`\n]*`/g, "");

/** Links of a file that lead nowhere: to a file that is not there, or to a heading that its page does not have. */
export function deadLinks(root: string, file: string): string[] {
  const text = prose(join(root, file));
  const links = [...text.matchAll(/\]\(([^)\s]+)(?:\s+"[^"]*")?\)|\b(?:href|src)="([^"]+)"/g)].map(
    ([, link, attribute]) => link ?? attribute!,
  );
  return links.filter((link) => isDead(root, file, link));
}

function isDead(root: string, file: string, link: string): boolean {
  const isRepository = repository.test(link);
  if (!isRepository && /^[a-z]+:/.test(link)) return false; // elsewhere on the web
  const [path = "", anchor] = link.replace(repository, "").split("#");
  const target = isRepository ? join(root, path) : path ? resolve(root, dirname(file), path) : join(root, file);
  const inside = relative(root, target);
  if (inside.startsWith(`..${sep}`) || !existsSync(target)) return true;
  if (anchor === undefined) return false;
  const page = statSync(target).isDirectory() ? join(target, "README.md") : target;
  return !(page.endsWith(".md") && existsSync(page) && headings(page).has(anchor));
}

/** Anchors of a page's headings, where GitHub and the site agree on them. */
function headings(page: string): Set<string> {
  const text = readFileSync(page, "utf8").replace(/^```[\s\S]*?^```/gm, "");
  const titles = [...text.matchAll(/^#{1,6} +(.+?)(?: +#+)?$/gm)].map(([, title]) =>
    title!.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[`*]/g, ""),
  );
  return new Set(titles.flatMap((title) => (githubAnchor(title) === siteAnchor(title) ? [siteAnchor(title)] : [])));
}

const githubAnchor = (title: string): string =>
  title
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M}\s_-]/gu, "")
    .replace(/\s/g, "-");

/** @see https://github.com/mdit-vue/mdit-vue/blob/main/packages/shared/src/slugify.ts */
const siteAnchor = (title: string): string =>
  title
    .normalize("NFKD")
    .replace(/[\u0300-\u036F]/g, "")
    .replace(/[\s~`!@#$%^&*()\-_+=[\]{}|\\;:"'“”‘’<>,.?/]+/g, "-")
    .replace(/-{2,}/g, "-")
    .replace(/^-+|-+$/g, "")
    .replace(/^(\d)/, "_$1")
    .toLowerCase();
