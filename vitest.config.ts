import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

// Every package tests its sources (export condition "@villa/source"), so nothing has to be built first.
const root = fileURLToPath(new URL(".", import.meta.url));
const conditions = ["@villa/source", "node", "import", "module", "default"];
const testRoots = ["packages", "examples"].flatMap((group) =>
  existsSync(`${root}${group}`) ? readdirSync(`${root}${group}`).map((name) => `${group}/${name}`) : [],
);

// Test-only helpers are a folder, not a package: a package that every test depends on would close a cycle.
const alias = [
  { find: /^@villa\/testing$/, replacement: `${root}tools/testing/index.ts` },
  { find: /^@villa\/testing\/(.*)$/, replacement: `${root}tools/testing/$1.ts` },
];

export default defineConfig({
  test: {
    projects: ["scripts", "benchmarks", "tools/command-kit", "tools/fuzz", ...testRoots]
      .filter((folder) => existsSync(`${root}${folder}/test`))
      .map((folder) => ({
        ssr: { resolve: { conditions, externalConditions: conditions } },
        resolve: { conditions, alias },
        test: {
          name: folder.split("/").at(-1) ?? folder,
          root: `${root}${folder}`,
          include: ["test/**/*.test.ts"],
          exclude: ["test/**/*.browser.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // A page on a machine that is busy with other tests answers late.
          expect: { poll: { timeout: 30_000 } },
          pool: "forks" as const,
        },
      })),
    // Numeric suites each use every core: more than two files at once only adds contention.
    maxWorkers: 2,
  },
});
