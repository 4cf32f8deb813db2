// The documentation against the code: tables of settings, and links between pages.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { stage1Experiments } from "../../packages/mapping/src/config.ts";
import { stage2Experiments } from "../../packages/vlm/src/config.ts";
import { renewedConfigurationPage } from "../configuration.ts";
import { deadLinks, textFiles } from "../links.ts";

const root = join(import.meta.dirname, "../..");
const page = (path: string): string => readFileSync(join(root, path), "utf8");

test("docs/configuration.md lists every setting as the schemas have it", () => {
  const text = page("docs/configuration.md");
  expect(renewedConfigurationPage(text)).toBe(text);
  for (const name of Object.keys({ ...stage1Experiments, ...stage2Experiments })) expect(text).toContain(`\`${name}\``);
});

test.each(textFiles(root))("%s links to what is there", (path) => {
  expect(deadLinks(root, path)).toEqual([]);
});

test("links that lead nowhere are found", () => {
  const folder = mkdtempSync(join(tmpdir(), "villa-links-"));
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
  write("b.md", "# B\n\n## One `two`\n\n```md\n## Not a heading\n```\n");
  write("n.ipynb", JSON.stringify({ cells: [{ cell_type: "markdown", source: ["[x](no.md)", " [y](b.md)"] }] }));
  const dead = ["[1](c.md)", "[2](b.md#three)", "[3](#gone)", '[4](c.md "title")', "[5](../outside.md)"];
  const github = "https://github.com/villa-ts/villa/blob/main";
  const alive = [
    "[6](b.md#one-two)",
    "[7](https://example.org/c.md)",
    "`[8](c.md)`",
    `[9](${github}/b.md#b)`,
    "[10](#a)",
  ];
  write(
    "a.md",
    ["# A", ...dead, ...alive, `[11](${github}/c.md)`, "```\n[12](c.md)\n```", "[13](b.md#not-a-heading)"].join("\n\n"),
  );
  expect(textFiles(folder).sort()).toEqual(["a.md", "b.md", "n.ipynb"]);
  expect(deadLinks(folder, "a.md")).toEqual([
    ...["c.md", "b.md#three", "#gone", "c.md", "../outside.md", `${github}/c.md`, "b.md#not-a-heading"],
  ]);
  expect(deadLinks(folder, "n.ipynb")).toEqual(["no.md"]);
  rmSync(folder, { recursive: true });
});
