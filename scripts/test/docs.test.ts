// The documentation against the code: tables of settings, and links between pages.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { expect, test } from "vitest";
import { stage1Experiments } from "../../packages/mapping/src/config.ts";
import { stage2Experiments } from "../../packages/vlm/src/config.ts";
import { renewedConfigurationPage } from "../configuration.ts";

const root = join(import.meta.dirname, "../..");
const page = (path: string): string => readFileSync(join(root, path), "utf8");

test("docs/configuration.md lists every setting as the schemas have it", () => {
  const text = page("docs/configuration.md");
  expect(renewedConfigurationPage(text)).toBe(text);
  for (const name of Object.keys({ ...stage1Experiments, ...stage2Experiments })) expect(text).toContain(`\`${name}\``);
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
