// For install-test.mjs: all packages in one project by each package manager, loaded and run by each version of Node.
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { transformSync } from "esbuild";
import { readmeExample } from "./install-apps.mjs";

const nodeVersions = [20, 22, 24];
/** Package managers as npm has them, and how each adds packages. */
const managers = [
  { name: "npm", add: ["i"] },
  { name: "pnpm", from: "pnpm@12.21.0", add: ["add", "--ignore-scripts"] },
  { name: "yarn", from: "yarn@1.22.22", add: ["add", "--ignore-engines"] },
];

export async function everywhere({ work, npm, url, env, packages, entriesOf, run, group }) {
  const nodes = [];
  await group("Node", async (check) => {
    for (const version of nodeVersions) {
      await check(String(version), async () => {
        const path = await nodeBinary({ version, work, npm, env, run });
        nodes.push({ version, path });
        return (await run(path, ["--version"])).trim();
      });
    }
  });
  for (const manager of managers) {
    await group(`everything by ${manager.name}`, async (check) => {
      const project = join(work, `everywhere-${manager.name}`);
      mkdirSync(project);
      writeFileSync(
        join(project, "package.json"),
        JSON.stringify({ name: "everywhere", private: true, type: "module" }),
      );
      // yarn 1 and pnpm read no npm_config_userconfig.
      copyFileSync(env.npm_config_userconfig, join(project, ".npmrc"));
      await check("install", async () => {
        const command = manager.from ? ["exec", "--yes", "--package", manager.from, "--", manager.name] : [];
        const wanted = packages.map(({ manifest }) => manifest.name);
        const settings = {
          ...env,
          YARN_CACHE_FOLDER: join(work, "yarn-cache"),
          npm_config_store_dir: join(work, "pnpm-store"),
        };
        await run(npm, [...command, ...manager.add, ...wanted, "@tensorflow/tfjs-core@4.22.0"], {
          cwd: project,
          env: { ...settings, YARN_REGISTRY: url },
        });
      });
      const loaded = packages.filter(({ manifest }) => manifest.name !== "@villa/backend-browser");
      const entries = loaded.flatMap(({ manifest }) => entriesOf(manifest));
      const [esm, cjs] = [join(project, "esm.mjs"), join(project, "cjs.cjs")];
      writeFileSync(esm, entries.map((entry) => `await import("${entry}");\n`).join(""));
      writeFileSync(cjs, entries.map((entry) => `require("${entry}");\n`).join(""));
      const examples = loaded.flatMap(({ folder }, i) => {
        const code = readmeExample(folder);
        if (code === undefined) return [];
        const path = join(project, `example-${i}.mjs`);
        writeFileSync(path, transformSync(code, { loader: "ts", format: "esm" }).code);
        return [path];
      });
      for (const { version, path } of nodes) {
        await check(`ESM, CommonJS and ${examples.length} README examples on Node ${version}`, async () => {
          for (const file of [esm, cjs, ...examples]) await run(path, [file], { cwd: project });
        });
      }
    });
  }
}

/** The running Node where it is of the version, else one from the registry. */
async function nodeBinary({ version, work, npm, env, run }) {
  if (process.versions.node.startsWith(`${version}.`)) return process.execPath;
  const platform = process.platform === "win32" ? "win" : process.platform;
  const folder = join(work, `node-${version}`);
  const name = `node-${platform}-${process.arch}`;
  await run(npm, ["i", "--prefix", folder, `${name}@${version}`], { env });
  const path = join(folder, "node_modules", name, "bin", process.platform === "win32" ? "node.exe" : "node");
  if (!existsSync(path)) throw new Error(`${path} is not there`);
  return path;
}
