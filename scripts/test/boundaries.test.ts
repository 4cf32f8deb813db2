// The import directions of docs/decisions/0002-module-boundaries.md, enforced on package.json and on the sources.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { sourceFiles } from "./source-files.ts";

const packagesRoot = join(import.meta.dirname, "../../packages");

/** What each package may import from the workspace at run time. A new package must be added here. */
const allowed: Record<string, readonly string[]> = {
  data: [],
  docmnist: ["data"],
  ingest: ["data"],
  metrics: ["data"],
  core: ["data"],
  encoders: ["data", "core"],
  preprocess: ["data", "encoders"],
  mapping: ["data", "core", "metrics"],
  vlm: ["data", "core", "encoders", "metrics"],
  "backend-node": ["data", "core"],
  "backend-browser": ["data", "core"],
  cli: ["data", "docmnist", "ingest", "metrics", "core", "encoders", "preprocess", "mapping", "vlm", "backend-node"],
  "create-villa": ["data"],
};

/** Packages whose main entry must load in a browser: `node:` imports only behind `src/node.ts` and the command line. */
const browserSafe = ["data", "docmnist", "ingest", "metrics", "core", "encoders", "mapping", "vlm", "backend-browser"];

interface Manifest {
  readonly sideEffects?: boolean | readonly string[] | undefined;
  readonly dependencies?: Record<string, string> | undefined;
  readonly devDependencies?: Record<string, string> | undefined;
  readonly optionalDependencies?: Record<string, string> | undefined;
  readonly peerDependencies?: Record<string, string> | undefined;
}

/** Module specifiers of static and dynamic imports; type-only ones too, since they reach the published types. */
const importsOf = (path: string): string[] => {
  const text = readFileSync(path, "utf8").replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  return [...text.matchAll(/(?:from|import)\s*\(?\s*["']([^"']+)["']/g)].map((match) => match[1] as string);
};

const villaName = (specifier: string): string | undefined => /^@villa\/([^/]+)/.exec(specifier)?.[1];

describe.each(readdirSync(packagesRoot))("packages/%s", (name) => {
  const manifest: Manifest = JSON.parse(readFileSync(join(packagesRoot, name, "package.json"), "utf8"));
  const files = sourceFiles(join(packagesRoot, name, "src"));
  const declared = { ...manifest.dependencies, ...manifest.optionalDependencies, ...manifest.peerDependencies };
  // What a package bundles is a development dependency, listed in its build's `noExternal`.
  const build = readFileSync(join(packagesRoot, name, "tsup.config.ts"), "utf8");
  const bundled = [...(/noExternal: \[([^\]]*)\]/.exec(build)?.[1] ?? "").matchAll(/"([^"]+)"/g)]
    .map((match) => match[1] as string)
    .filter((dependency) => dependency in { ...manifest.devDependencies });

  test("depends only on the packages below it", () => {
    expect(allowed).toHaveProperty([name]);
    const villa = Object.keys(declared).flatMap((key) => villaName(key) ?? []);
    expect(villa.filter((dependency) => !allowed[name]?.includes(dependency))).toEqual([]);
  });

  test("imports only what its package.json declares, or what it bundles", () => {
    const undeclared = files.flatMap((path) =>
      importsOf(path)
        .filter((specifier) => !specifier.startsWith(".") && !specifier.startsWith("node:"))
        .map((specifier) =>
          specifier
            .split("/")
            .slice(0, specifier.startsWith("@") ? 2 : 1)
            .join("/"),
        )
        .filter((dependency) => !(dependency in declared) && !bundled.includes(dependency))
        .map((dependency) => `${path}: ${dependency}`),
    );
    expect(undeclared).toEqual([]);
  });

  test("names files with side effects that are there", () => {
    // A bundler drops an import of a file that is not named: without its gradients, core trains nothing.
    const named = Array.isArray(manifest.sideEffects) ? manifest.sideEffects : [];
    expect(named.filter((path) => !path.includes("*") && !existsSync(join(packagesRoot, name, path)))).toEqual([]);
    const bare = files.filter((path) => /^import "\.[^"]+";/m.test(readFileSync(path, "utf8")));
    expect(bare.length === 0 || named.length > 0, bare.join(", ")).toBe(true);
  });

  test("pins exact versions", () => {
    const ranges = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies }).filter(
      ([, version]) => !/^(\d+\.\d+\.\d+\S*|workspace:\*)$/.test(version),
    );
    expect(ranges).toEqual([]);
  });
});

test.each(browserSafe)("the main entry of @villa/%s reaches no node: module", (name) => {
  const seen = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const specifier of importsOf(path)) {
      expect(specifier.startsWith("node:"), `${path} imports ${specifier}`).toBe(false);
      if (specifier.startsWith(".") && specifier.endsWith(".ts")) visit(join(path, "..", specifier));
    }
  };
  visit(join(packagesRoot, name, "src/index.ts"));
});
