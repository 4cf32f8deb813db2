// The site's pages: links that were turned lead to pages or into the repository.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { deadLinks } from "../../site/check-links.ts";
import { exhibits, galleryPage } from "../../site/gallery.ts";
import { home, repository, sections, versionMenu } from "../../site/pages.ts";
import { allPages, mendAnchors, turnLinks } from "../../site/prepare.ts";

const root = join(import.meta.dirname, "../..");

test("every page of docs/ is on the site", () => {
  const listed = sections.flatMap(([, entries]) => entries.map(([, file]) => file));
  const all = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));
  const others = ["README.md", "api-index.md"]; // the list of pages, and the API reference's own first page
  expect(all.filter((name) => !others.includes(name) && !listed.includes(`docs/${name}`))).toEqual([]);
  expect(listed.filter((file, i) => listed.indexOf(file) !== i)).toEqual([]);
});

test("links lead to pages where there is one, into the repository where there is none", () => {
  const pages = allPages();
  const turn = (text: string) => turnLinks(text, "docs/guide.md", pages);
  expect(turn("[a](own-data.md#tables)")).toBe("[a](/own-data#tables)");
  expect(turn("[a](../packages/data)")).toBe("[a](/packages/data)");
  expect(turn("[a](../packages/data/README.md)")).toBe("[a](/packages/data)");
  expect(turn("[a](../packages)")).toBe("[a](/packages/)");
  expect(turn("[a](decisions)")).toBe("[a](/decisions/)");
  expect(turn("[a](../benchmarks)")).toBe(`[a](${repository}/benchmarks)`);
  expect(turn("![a b](images/x.png)")).toBe("![a b](/images/x.png)");
  expect(turn("[a](https://example.org/b.md) [b](#below)")).toBe("[a](https://example.org/b.md) [b](#below)");
  expect(turn("```sh\n[a](own-data.md)\n```")).toBe("```sh\n[a](own-data.md)\n```");
});

test("dead links of the built pages are found, wherever the site lies", () => {
  const folder = mkdtempSync(join(tmpdir(), "villa-site-"));
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
  const links = (...all: string[]) => all.map((link) => `<a class="x" href="${link}">x</a>`).join("\n");
  mkdirSync(join(folder, "packages"));
  write("packages/index.html", `<h2 id="a&amp;b">x</h2>${links("../guide", "./gone", "../guide.html#top")}`);
  write("pixel.png", "");
  const alive = [
    "/villa/",
    "/villa/guide#top",
    "#here",
    "guide",
    "/villa/packages/#a&amp;b",
    "https://x.org/y",
    "mailto:a@b",
  ];
  write("index.html", `<p id="here"><img alt="" src="/villa/pixel.png"><img src="no.png">${links(...alive, "/guide")}`);
  write("guide.html", `<p id="top">${links("#gone", "/villa/guide#gone", "?x=1#top", "guide?x=1#top")}`);
  expect(deadLinks(folder, "/villa/").sort()).toEqual([
    ...["guide.html: #gone", "guide.html: /villa/guide#gone", "index.html: /guide"],
    ...["index.html: no.png", "packages/index.html: ./gone"],
  ]);
  rmSync(folder, { recursive: true });
});

test("the gallery shows the pages that were made, and says which were not", () => {
  const folder = mkdtempSync(join(tmpdir(), "villa-gallery-"));
  mkdirSync(join(folder, "gallery"));
  writeFileSync(join(folder, "gallery/a-data-card.html"), "x".repeat(12_345));
  const page = galleryPage(folder);
  expect(page).toContain('<a href="./gallery/a-data-card.html" target="_self">Open the page</a> (12 kB)');
  expect(page.match(/<iframe/g)).toHaveLength(1);
  expect(page.match(/built without the page itself/g)).toHaveLength(exhibits.length - 1);
  for (const { commands } of exhibits) for (const command of commands) expect(page).toContain(command);
  rmSync(folder, { recursive: true });
});

test("anchors of the API reference are those of its headings", () => {
  const links = "[a](#state-1) [b](#twice-1) [c](#twice-2) [d](#name-2) [e](#other-1)";
  const page = `### State\n\n### Twice\n\n### twice()\n\n### Name-2\n\n${links}\n`;
  expect(mendAnchors(page)).toContain("[a](#state) [b](#twice-1) [c](#twice) [d](#name-2) [e](#other-1)");
});

test("the menu of versions leads to the copies, newest first, and from a copy to the newest", () => {
  const links = (...menu: Parameters<typeof versionMenu>) => versionMenu(...menu).map(({ link }) => link);
  const releases = "https://github.com/villa-ts/villa/releases";
  expect(links("0.10.0", "/villa/", ["v0.9.0", "v0.10.0"])).toEqual(["/v0.10.0/", "/v0.9.0/", releases]);
  expect(links("0.9.0", "/villa/v0.9.0/", [])).toEqual([home, releases]);
});

test("no page opens an HTML element, which VitePress would want closed: in text write \\<, or `code`", () => {
  const opened = [...allPages().keys()].flatMap((file) => {
    const text = readFileSync(join(root, file), "utf8")
      .replace(/^```[\s\S]*?^```/gm, "")
      .replace(/`[^`\n]*`/g, "");
    return [...text.matchAll(/(?<!\\)<[a-zA-Z/][^>\n]*/g)].map(([element]) => `${file}: ${element}`);
  });
  expect(opened).toEqual([]);
});
