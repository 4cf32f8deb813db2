// Modules that import each other in a circle cannot be read, tested or moved one by one.
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { expect, test } from "vitest";
import { sourceFiles } from "./source-files.ts";

const root = join(import.meta.dirname, "../..");

/** Relative imports, those of types too. */
function importsOf(path: string): string[] {
  const text = readFileSync(path, "utf8").replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  return [...text.matchAll(/(?:from|import)\s*\(?\s*["'](\.[^"']+)["']/g)].map((match) =>
    join(dirname(path), match[1]!),
  );
}

/** The first circle of imports that is found, as file names; nothing where there is none. */
function circle(folder: string): string[] {
  const finished = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string[] => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (finished.has(file)) return [];
    path.push(file);
    for (const imported of importsOf(file).filter((each) => /\.tsx?$/.test(each))) {
      const found = visit(imported);
      if (found.length > 0) return found;
    }
    path.pop();
    finished.add(file);
    return [];
  };
  for (const file of sourceFiles(folder)) {
    const found = visit(file);
    if (found.length > 0) return found.map((each) => relative(folder, each));
  }
  return [];
}

test.each(["packages", "tools", "benchmarks", "examples", "scripts", "site"])(
  "%s has no circle of imports",
  (folder) => {
    expect(circle(join(root, folder))).toEqual([]);
  },
);
