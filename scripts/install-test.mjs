// Publishes every package to a throw-away local registry and installs each as a user would, with `npm i` alone, into
// an ESM project, a CommonJS project and a TypeScript project, and all of them into a Vite app and a notebook; runs the
// example of each README there; lists sizes. Needs `npm run build` before it.
// Options: package names to test (default: all, and the app and the notebook), `apps` for these alone, --keep.
import { spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as esbuild from "esbuild";
import { notebook, readmeExample, viteApp } from "./install-apps.mjs";

const root = join(import.meta.dirname, "..");
const npm = process.platform === "win32" ? "npm.cmd" : "npm";
const names = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const packages = readdirSync(join(root, "packages")).map((folder) => ({
  folder: join(root, "packages", folder),
  manifest: JSON.parse(readFileSync(join(root, "packages", folder, "package.json"), "utf8")),
}));
const work = mkdtempSync(join(tmpdir(), "villa-install-"));
const failures = [];

/** Budgets a newcomer would notice: installed megabytes with all dependencies, import milliseconds, native code. */
const budgets = { "@villa/docmnist": { megabytes: 12, importMs: 150, native: false } };

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

function run(command, args, { cwd = root, env = {} } = {}) {
  const result = spawnSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    encoding: "utf8",
    shell: process.platform === "win32",
    timeout: 600_000,
  });
  if (result.status !== 0)
    throw new Error(`${command} ${args.join(" ")}\n${result.stdout ?? ""}${result.stderr ?? ""}`.slice(-3000));
  return result.stdout;
}

async function startRegistry() {
  const port = await freePort();
  const uplink = run(npm, ["config", "get", "registry"]).trim();
  writeFileSync(
    join(work, "verdaccio.yaml"),
    JSON.stringify({
      storage: join(work, "storage"),
      uplinks: { public: { url: uplink, timeout: "120s", maxage: "60m", max_fails: 100 } },
      packages: {
        "@villa/*": { access: "$all", publish: "$all", unpublish: "$all" },
        "**": { access: "$all", proxy: "public" },
      },
      max_body_size: "200mb",
      log: { type: "stdout", format: "pretty", level: "error" },
    }),
  );
  const bin = join(root, "node_modules/verdaccio/bin/verdaccio");
  const server = spawn(
    process.execPath,
    [bin, "--config", join(work, "verdaccio.yaml"), "--listen", `127.0.0.1:${port}`],
    {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, NODE_EXTRA_CA_CERTS: process.env.NODE_EXTRA_CA_CERTS ?? systemCertificates() },
    },
  );
  const url = `http://127.0.0.1:${port}/`;
  for (let attempt = 0; ; attempt++) {
    const ready = await fetch(`${url}-/ping`).then(
      (response) => response.ok,
      () => false,
    );
    if (ready) break;
    if (attempt > 100) throw new Error("verdaccio did not start");
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return { server, url };
}

/** npm's `cafile`, so that the registry reaches its uplink through whatever proxy npm is set up for. */
function systemCertificates() {
  const file = run(npm, ["config", "get", "cafile"]).trim();
  return file === "null" || file === "undefined" ? "" : file;
}

const folderSize = (folder) =>
  readdirSync(folder, { withFileTypes: true }).reduce((total, entry) => {
    const path = join(folder, entry.name);
    return total + (entry.isDirectory() ? folderSize(path) : entry.isFile() ? statSync(path).size : 0);
  }, 0);

const nativeFiles = (folder) =>
  readdirSync(folder, { recursive: true }).filter((path) => /\.(node|so|dylib|dll)(\.\d+)*$/.test(String(path)));

const { server, url } = await startRegistry();
const npmrc = join(work, "npmrc");
const host = url.replace(/^http:/, "");
writeFileSync(npmrc, `registry=${url}\n${host}:_authToken=local\naudit=false\nfund=false\nupdate-notifier=false\n`);
const npmEnv = { npm_config_userconfig: npmrc, npm_config_registry: url, npm_config_cache: join(work, "npm-cache") };

/** A dependency on the Node backend says that a package needs Node. */
function isForBrowsers({ name, dependencies = {} }) {
  return name !== "@villa/backend-node" && !("@villa/backend-node" in dependencies);
}

async function check(label, body) {
  const start = Date.now();
  try {
    const note = (await body()) ?? "";
    console.log(`  ok    ${label} ${note} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
  } catch (error) {
    failures.push(label);
    console.log(`  FAIL  ${label}\n${error.message}`);
  }
}

try {
  console.log("packing and publishing");
  for (const { folder, manifest } of packages) {
    run(process.execPath, [join(root, "scripts/pnpm.mjs"), "pack", "--pack-destination", work], { cwd: folder });
    const tarball = join(work, `${manifest.name.replace("@", "").replace("/", "-")}-${manifest.version}.tgz`);
    run(npm, ["publish", tarball, "--provenance=false"], { env: npmEnv });
    console.log(`  ${manifest.name} ${(statSync(tarball).size / 1024).toFixed(0)} kB packed`);
  }

  for (const { folder, manifest } of packages) {
    const { name } = manifest;
    if (names.length > 0 && !names.includes(name.replace("@villa/", ""))) continue;
    console.log(name);
    const project = join(work, name.replace("/", "-"));
    mkdirSync(project);
    writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
    const entries = Object.keys(manifest.exports)
      .filter((key) => key !== "./package.json")
      .map((key) => name + key.slice(1));
    const isNode = manifest.name !== "@villa/backend-browser";

    await check("npm i", () => {
      run(npm, ["i", name], { cwd: project, env: npmEnv });
      const megabytes = folderSize(join(project, "node_modules")) / 1e6;
      const budget = budgets[name];
      if (budget && megabytes > budget.megabytes)
        throw new Error(`${megabytes.toFixed(1)} MB installed, budget ${budget.megabytes}`);
      const native = budget?.native === false ? nativeFiles(join(project, "node_modules")) : [];
      if (native.length) throw new Error(`native code: ${native.join(", ")}`);
      return `${megabytes.toFixed(1)} MB installed`;
    });
    if (isNode) {
      await check("ESM import", () => {
        writeFileSync(
          join(project, "esm.mjs"),
          `const start = performance.now();\nawait import(${JSON.stringify(name)});\nconst ms = performance.now() - start;\n` +
            entries.map((entry) => `await import(${JSON.stringify(entry)});\n`).join("") +
            "console.log(ms.toFixed(0));",
        );
        const times = [1, 2, 3].map(() => Number(run(process.execPath, ["esm.mjs"], { cwd: project })));
        const best = Math.min(...times);
        const budget = budgets[name]?.importMs;
        if (budget && best > budget) throw new Error(`import takes ${best} ms, budget ${budget}`);
        return `${best} ms`;
      });
      await check("CommonJS require", () => {
        writeFileSync(
          join(project, "cjs.cjs"),
          entries.map((entry) => `require(${JSON.stringify(entry)});`).join("\n"),
        );
        run(process.execPath, ["cjs.cjs"], { cwd: project });
      });
    }
    const example = readmeExample(folder);
    await check("types", () => {
      writeFileSync(
        join(project, "types.ts"),
        entries.map((entry, i) => `import * as entry${i} from ${JSON.stringify(entry)};\nvoid entry${i};`).join("\n"),
      );
      if (example) writeFileSync(join(project, "example.ts"), example);
      const tsc = join(root, "node_modules/typescript/bin/tsc");
      const typeRoots = join(root, "node_modules/@types");
      run(
        process.execPath,
        [
          tsc,
          "--noEmit",
          "--strict",
          "--skipLibCheck",
          "--target",
          "es2022",
          "--module",
          "nodenext",
          "--typeRoots",
          typeRoots,
          "--types",
          "node",
          "types.ts",
          ...(example ? ["example.ts"] : []),
        ],
        { cwd: project },
      );
    });
    if (example && isNode) {
      await check("README example", () => {
        const { transformSync } = esbuild;
        writeFileSync(join(project, "example.mjs"), transformSync(example, { loader: "ts", format: "esm" }).code);
        run(process.execPath, ["example.mjs"], { cwd: project });
      });
    }
    for (const [command, target] of Object.entries(manifest.bin ?? {})) {
      if (!existsSync(join(folder, target))) continue;
      await check(`${command} --help`, () => {
        run(npm, ["exec", "--offline", "--", command, "--help"], { cwd: project, env: npmEnv });
      });
    }
    if (name === "@villa/docmnist") {
      await check("npx @villa/docmnist with the original's flags", () => {
        const flags = ["--attribute_budget=300", "--target_sample_complexity=16", "--digits=glyphs", "--out=data"];
        run(npm, ["exec", "--offline", "--", name, ...flags], { cwd: project, env: npmEnv });
        const [folder] = readdirSync(join(project, "data"));
        if (!/^docmnist_300_\d+\.\d$/.test(folder)) throw new Error(`wrote ${folder}`);
        return folder;
      });
    }
  }

  if (names.length === 0 || names.includes("apps")) {
    for (const [label, app] of [
      ["Vite app", viteApp],
      ["tslab notebook", notebook],
    ]) {
      const project = join(work, label.replace(" ", "-"));
      const install = (wanted) => run(npm, ["i", ...wanted], { cwd: project, env: npmEnv });
      // What only runs in Node would be dead weight in a page.
      const chosen = app === viteApp ? packages.filter(({ manifest }) => isForBrowsers(manifest)) : packages;
      await check(label, () => app({ project, packages: chosen, install, run }));
    }
  }
} finally {
  server.kill();
  if (process.argv.includes("--keep")) console.log(`kept ${work}`);
  else rmSync(work, { recursive: true, force: true });
}
if (failures.length > 0) {
  console.error(`install test: ${failures.length} failed`);
  process.exit(1);
}
console.log("install test: every package installs and loads");
