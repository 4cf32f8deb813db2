// The documentation against the code: tables of settings, and links between pages.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { expect, test } from "vitest";
import { stage1Defaults, stage1Experiments } from "../../packages/mapping/src/config.ts";
import { stage2Defaults, stage2Experiments } from "../../packages/vlm/src/config.ts";

const root = join(import.meta.dirname, "../..");
const page = (path: string): string => readFileSync(join(root, path), "utf8");

/** "a.b" → value, for every leaf. */
function leaves(settings: object, prefix = ""): [string, unknown][] {
  return Object.entries(settings).flatMap(([key, value]): [string, unknown][] =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? leaves(value, `${prefix}${key}.`)
      : [[prefix + key, value]],
  );
}

test.each([
  ["Stage 1", stage1Defaults, stage1Experiments],
  ["Stage 2", stage2Defaults, stage2Experiments],
])("docs/configuration.md lists every setting of %s with its default", (stage, defaults, experiments) => {
  const section =
    page("docs/configuration.md")
      .split(/^## /m)
      .find((text) => text.startsWith(stage)) ?? "";
  const rows = [...section.matchAll(/^\| `([\w.]+)` \| (?:`([^`]*)`|\(required\)) \| /gm)].map(([, key, value]) => [
    key,
    value,
  ]);
  const write = (value: unknown) => (Array.isArray(value) ? `[${value.join(", ")}]` : String(value));
  const expected = leaves(defaults).map(([key, value]) => [key, write(value)]);
  expect(rows.toSorted()).toEqual([["data_dir", undefined], ...expected].toSorted());
  for (const name of Object.keys(experiments)) expect(section).toContain(`\`${name}\``);
});

const pages = ["", "docs", "docs/decisions", "packages", "examples", "benchmarks"].flatMap((folder) => {
  if (!existsSync(join(root, folder))) return [];
  const nested = folder === "packages" || folder === "examples";
  const folders = nested ? readdirSync(join(root, folder)).map((name) => join(folder, name)) : [folder];
  return folders.flatMap((each) =>
    readdirSync(join(root, each)).flatMap((name) => (name.endsWith(".md") ? [join(each, name)] : [])),
  );
});

test.each(pages)("%s links to what is there", (path) => {
  const text = page(path).replace(/```[\s\S]*?```/g, "");
  const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!.split("#")[0]!);
  const missing = links.filter(
    (link) => link !== "" && !/^[a-z]+:/.test(link) && !existsSync(resolve(root, dirname(path), link)),
  );
  expect(missing).toEqual([]);
});
