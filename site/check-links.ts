// The built site's links, as a browser would follow them: pages, files and places within pages.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, posix } from "node:path";

/**
 * Links of the pages of a folder that lead to nothing there, as "page.html: link".
 *
 * @param base where the folder lies below its host's root, with a slash at both ends
 */
export function deadLinks(folder: string, base = "/"): string[] {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).map((path) => path.replaceAll("\\", "/"));
  const pages = new Map(
    files.filter((path) => path.endsWith(".html")).map((path) => [path, readFileSync(join(folder, path), "utf8")]),
  );
  const ids = new Map<string, Set<string>>();
  const idsOf = (page: string): Set<string> => {
    const own =
      ids.get(page) ?? new Set([...pages.get(page)!.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => decoded(id!)));
    ids.set(page, own);
    return own;
  };
  const isAlive = (page: string, link: string): boolean => {
    const [address = "", anchor = ""] = decodeURI(link).split("#");
    const [path = ""] = address.split("?");
    const from = posix.join(base, posix.dirname(page), "/");
    const absolute = path === "" ? undefined : posix.join(path.startsWith("/") ? "/" : from, path);
    if (absolute && !`${absolute}/`.startsWith(base)) return false;
    const target = absolute === undefined ? page : fileOf(folder, absolute.slice(base.length));
    if (target === undefined) return false;
    return anchor === "" || !target.endsWith(".html") || idsOf(target).has(anchor);
  };
  return [...pages].flatMap(([page, html]) =>
    [...new Set([...html.matchAll(/<[a-z][^>]*?\s(?:href|src)="([^"]*)"/g)].map(([, link]) => decoded(link!)))]
      .filter((link) => !/^([a-z][a-z0-9+.-]*:|\/\/)/.test(link) && !isAlive(page, link))
      .map((link) => `${page}: ${link}`),
  );
}

/** The file that a server of clean addresses sends: "guide" is guide.html, "packages/" is packages/index.html. */
function fileOf(folder: string, path: string): string | undefined {
  return [path, `${path}.html`, posix.join(path, "index.html")].find((candidate) => {
    const full = join(folder, candidate);
    return existsSync(full) && statSync(full).isFile();
  });
}

const decoded = (text: string): string =>
  text
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&amp;", "&");
