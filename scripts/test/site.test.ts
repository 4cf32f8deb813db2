// The site's pages: links that were turned lead to pages or into the repository.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repository, sections } from "../../site/pages.ts";
import { allPages, turnLinks } from "../../site/prepare.ts";

const root = join(import.meta.dirname, "../..");

test("every page of docs/ is on the site", () => {
  const listed = sections.flatMap(([, entries]) => entries.map(([, file]) => file));
  const all = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));
  const others = ["README.md", "api-index.md"]; // the list of pages, and the API reference's own first page
  expect(all.filter((name) => !others.includes(name) && !listed.includes(`docs/${name}`))).toEqual([]);
});

test("links lead to pages where there is one, into the repository where there is none", () => {
  const pages = allPages();
  const turn = (text: string) => turnLinks(text, "docs/guide.md", pages);
  expect(turn("[a](own-data.md#tables)")).toBe("[a](/own-data#tables)");
  expect(turn("[a](../packages/data)")).toBe("[a](/packages/data)");
  expect(turn("[a](../packages/data/README.md)")).toBe("[a](/packages/data)");
  expect(turn("[a](decisions)")).toBe("[a](/decisions/)");
  expect(turn("[a](../benchmarks)")).toBe(`[a](${repository}/benchmarks)`);
  expect(turn("![a b](images/x.png)")).toBe("![a b](/images/x.png)");
  expect(turn("[a](https://example.org/b.md) [b](#below)")).toBe("[a](https://example.org/b.md) [b](#below)");
  expect(turn("```sh\n[a](own-data.md)\n```")).toBe("```sh\n[a](own-data.md)\n```");
});
