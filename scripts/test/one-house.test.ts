// What keeps the packages one house: an idea stands once, and a folder is more than one file with a longer path.
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const sources = readdirSync(join(root, "packages")).map((name) => join(root, "packages", name, "src"));

/** All files of a folder and of its folders. */
const filesOf = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesOf(path) : [path];
  });

const generated = "simd-module.ts";
/** Lines that two places may share at most, blank ones not counted. */
const mostEqualLines = 12;

test(`no two places share more than ${mostEqualLines} equal lines`, () => {
  const places = new Map<string, string>();
  const repeated: string[] = [];
  for (const file of sources.flatMap(filesOf).filter((path) => path.endsWith(".ts") && !path.endsWith(generated))) {
    const lines = readFileSync(file, "utf8")
      .split("\n")
      .map((line, i) => ({ text: line.trim(), number: i + 1 }))
      .filter(({ text }) => text !== "");
    for (let i = 0; i + mostEqualLines < lines.length; i++) {
      const run = lines
        .slice(i, i + mostEqualLines + 1)
        .map(({ text }) => text)
        .join("\n");
      const place = `${relative(root, file)}:${lines[i]!.number}`;
      const earlier = places.get(run);
      if (earlier === undefined) places.set(run, place);
      else repeated.push(`${earlier} and ${place}`);
    }
  }
  expect(places.size).toBeGreaterThan(10_000);
  expect(repeated).toEqual([]);
});

test("a folder has at least three files or folders", () => {
  const folders = (folder: string): string[] => {
    const entries = readdirSync(folder, { withFileTypes: true });
    const inner = entries.filter((entry) => entry.isDirectory()).flatMap(({ name }) => folders(join(folder, name)));
    return entries.length > 0 && entries.length < 3 ? [relative(root, folder), ...inner] : inner;
  };
  const small = sources.flatMap((source) =>
    readdirSync(source, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .flatMap(({ name }) => folders(join(source, name))),
  );
  expect(small).toEqual([]);
});
