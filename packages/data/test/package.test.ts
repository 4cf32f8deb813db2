import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const manifest: { dependencies: Record<string, string>; devDependencies: Record<string, string> } = JSON.parse(
  readFileSync(join(root, "package.json"), "utf8"),
);

test("dependencies are few and exact", () => {
  // Installed size is part of what @villa/docmnist promises: more goes into the bundle, not into this list.
  expect(Object.keys(manifest.dependencies)).toEqual(["fflate"]);
  for (const version of Object.values({ ...manifest.dependencies, ...manifest.devDependencies })) {
    expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  }
});

test("everything that is bundled has its licence in the package", () => {
  const licences = readFileSync(join(root, "THIRD_PARTY_LICENSES.txt"), "utf8");
  for (const [name, version] of Object.entries(manifest.devDependencies))
    expect(licences).toContain(`${name}@${version}`);
});

test("nothing outside the node entry needs Node", () => {
  const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).filter(
    (path) => path.endsWith(".ts") && !/(^|[\\/])node([\\/]|\.ts$)/.test(path),
  );
  expect(sources.length).toBeGreaterThan(20);
  for (const path of sources) {
    const imports = [...readFileSync(join(root, "src", path), "utf8").matchAll(/(?:from|import\() ?"([^"]+)"/g)];
    const fromNode = imports
      .map((match) => match[1]!)
      .filter((name) => builtinModules.includes(name.replace(/^node:/, "")));
    expect(fromNode, path).toEqual([]);
  }
});
