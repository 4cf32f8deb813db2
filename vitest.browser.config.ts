import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { playwright } from "@vitest/browser-playwright";
import { defaultClientConditions } from "vite";
import { defineConfig } from "vitest/config";

// Tests of a browser: files named *.browser.test.ts, and the numeric suites that every backend must pass. They run in the
// machine's own Chromium, since Playwright's download is not to be had everywhere.
const root = fileURLToPath(new URL(".", import.meta.url));
const executablePath = process.env.CHROMIUM_PATH ?? "/usr/bin/chromium";

/** As `golden()` of tools/testing: `VILLA_GOLDEN_DIR` first, then the committed fixtures. */
function goldenFile(name: string): unknown {
  const folder = process.env.VILLA_GOLDEN_DIR;
  const overridden = folder && existsSync(`${folder}/${name}`) ? `${folder}/${name}` : undefined;
  return JSON.parse(readFileSync(overridden ?? `${root}tools/testing/fixtures/${name}`, "utf8"));
}

/**
 * What the tested packages import from elsewhere. It is bundled before the tests start: found while one runs, it would
 * reload the page in the middle of it. The workspace's root has none of it installed, hence the paths.
 */
function outsideDependencies(): { find: RegExp; name: string; replacement: string }[] {
  const packages = ["data", "core", "backend-browser"].map((name) => `${root}packages/${name}`);
  const found = packages.flatMap((folder) => {
    const { dependencies = {} } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8")) as Manifest;
    return Object.keys(dependencies).map((name) => [name, `${folder}/node_modules/${name}`] as const);
  });
  return [...new Map(found)]
    .filter(([name]) => !name.startsWith("@villa/"))
    .map(([name, replacement]) => ({ name, find: new RegExp(`^${name}$`), replacement }));
}

interface Manifest {
  readonly dependencies?: Record<string, string>;
}

const outside = outsideDependencies();

export default defineConfig({
  root,
  resolve: {
    conditions: ["@villa/source", ...defaultClientConditions],
    alias: [
      { find: /^@villa\/testing$/, replacement: `${root}tools/testing/browser/index.ts` },
      { find: /^@villa\/testing\/(.*)$/, replacement: `${root}tools/testing/browser/$1.ts` },
      ...outside.map(({ find, replacement }) => ({ find, replacement })),
    ],
  },
  optimizeDeps: { include: outside.map(({ name }) => name) },
  test: {
    include: [
      "packages/*/test/**/*.browser.test.ts",
      "examples/library/test/*.browser.test.ts",
      "packages/core/test/conformance.test.ts",
      "packages/core/test/training.golden.test.ts",
    ],
    exclude: ["**/node_modules/**", "**/dist/**"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    fileParallelism: false,
    provide: { villaGolden: { "training.json": goldenFile("training.json") } },
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      provider: playwright({
        launchOptions: { executablePath, args: ["--no-sandbox", "--enable-unsafe-webgpu", "--use-angle=swiftshader"] },
      }),
      instances: [{ browser: "chromium" }],
    },
  },
});
