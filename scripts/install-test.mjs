// Publishes every package to a throw-away local registry and installs each as a user would, with `npm i` alone, into
// an ESM project, a CommonJS project and a TypeScript project, and all of them into a Vite app and a notebook; runs the
// example of each README there; makes both projects of `npm create villa` and takes them to a first result; lists sizes.
// Needs `npm run build` before it.
// Options: what to test (default: everything but the last): names of packages, `apps`, `starters`, and `everywhere`,
// which is the packages by npm, pnpm and yarn on Node 20, 22 and 24; --keep.
import { spawn } from "node:child_process";
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
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { transformSync } from "esbuild";
import { notebook, readmeExample, viteApp } from "./install-apps.mjs";
import { everywhere } from "./install-everywhere.mjs";
import { nodeStarter, viteStarter } from "./install-starters.mjs";

const root = join(import.meta.dirname, "..");
const npm = process.platform === "win32" ? "npm.cmd" : "npm";
const names = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const packages = readdirSync(join(root, "packages")).map((folder) => ({
  folder: join(root, "packages", folder),
  manifest: JSON.parse(readFileSync(join(root, "packages", folder, "package.json"), "utf8")),
}));
const work = mkdtempSync(join(tmpdir(), "villa-install-"));
const failures = [];

/** Budgets a newcomer would notice: installed megabytes with all dependencies, processor milliseconds of an import, native code. */
const budgets = { "@villa/docmnist": { megabytes: 12, importMs: 150, native: false } };

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/** @returns what the command printed; rejects with the end of it when the command fails */
function run(command, args, { cwd = root, env = {} } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      shell: process.platform === "win32",
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 600_000,
    });
    const printed = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"]) {
      child[name].setEncoding("utf8").on("data", (text) => {
        printed[name] += text;
      });
    }
    child.on("error", reject);
    child.on("close", (status) => {
      if (status === 0) resolve(printed.stdout);
      else reject(new Error(`${command} ${args.join(" ")}\n${printed.stdout}${printed.stderr}`.slice(-3000)));
    });
  });
}

async function startRegistry() {
  const port = await freePort();
  const uplink = (await run(npm, ["config", "get", "registry"])).trim();
  writeFileSync(
    join(work, "verdaccio.yaml"),
    JSON.stringify({
      storage: join(work, "storage"),
      uplinks: { public: { url: uplink, timeout: "120s", maxage: "60m", max_fails: 100 } },
      packages: {
        ...Object.fromEntries(packages.map(({ manifest }) => [manifest.name, { access: "$all", publish: "$all" }])),
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
      env: { ...process.env, NODE_EXTRA_CA_CERTS: process.env.NODE_EXTRA_CA_CERTS ?? (await systemCertificates()) },
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
async function systemCertificates() {
  const file = (await run(npm, ["config", "get", "cafile"])).trim();
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

/** Checks of one thing. Several go on side by side, so their lines are printed together, at the end. */
async function group(title, body) {
  const lines = [title];
  const check = async (label, work) => {
    const start = Date.now();
    try {
      const note = (await work()) ?? "";
      lines.push(`  ok    ${label} ${note} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failures.push(`${title}: ${label}`);
      lines.push(`  FAIL  ${label}\n${error.message}`);
    }
  };
  await body(check);
  console.log(lines.join("\n"));
}

/** Runs tasks on as many lanes as the machine has cores: one waits for the network or the disk while another computes. */
async function sideBySide(tasks) {
  const waiting = [...tasks];
  const lane = async () => {
    for (let task = waiting.shift(); task; task = waiting.shift()) await task();
  };
  await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, lane));
}

async function publish({ folder, manifest }) {
  await run(process.execPath, [join(root, "scripts/pnpm.mjs"), "pack", "--pack-destination", work], { cwd: folder });
  const tarball = join(work, `${manifest.name.replace("@", "").replace("/", "-")}-${manifest.version}.tgz`);
  await run(npm, ["publish", tarball, "--provenance=false"], { env: npmEnv });
  console.log(`  ${manifest.name} ${(statSync(tarball).size / 1024).toFixed(0)} kB packed`);
}

/** A package by itself in projects of every kind, with the example of its README and its command. */
async function testPackage({ folder, manifest }, check) {
  const { name } = manifest;
  const project = join(work, name.replace("/", "-"));
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const entries = entriesOf(manifest);
  const isNode = name !== "@villa/backend-browser";
  const budget = budgets[name];

  await check("npm i", async () => {
    await run(npm, ["i", name], { cwd: project, env: npmEnv });
    const megabytes = folderSize(join(project, "node_modules")) / 1e6;
    if (budget && megabytes > budget.megabytes)
      throw new Error(`${megabytes.toFixed(1)} MB installed, budget ${budget.megabytes}`);
    const native = budget?.native === false ? nativeFiles(join(project, "node_modules")) : [];
    if (native.length) throw new Error(`native code: ${native.join(", ")}`);
    return `${megabytes.toFixed(1)} MB installed`;
  });
  if (isNode && entries.length > 0) {
    await check("ESM import", async () => {
      writeFileSync(
        join(project, "esm.mjs"),
        // Of the processor, not of the clock: other things run beside this.
        `const start = process.cpuUsage();\nawait import(${JSON.stringify(name)});\nconst { user, system } = process.cpuUsage(start);\n` +
          entries.map((entry) => `await import(${JSON.stringify(entry)});\n`).join("") +
          "console.log(((user + system) / 1000).toFixed(0));",
      );
      // The best of three where the time counts: the first reads from the disk.
      let best = Number.POSITIVE_INFINITY;
      for (let i = 0; i < (budget ? 3 : 1); i++)
        best = Math.min(best, Number(await run(process.execPath, ["esm.mjs"], { cwd: project })));
      if (budget && best > budget.importMs) throw new Error(`import takes ${best} ms, budget ${budget.importMs}`);
      return `${best} ms`;
    });
    await check("CommonJS require", async () => {
      writeFileSync(join(project, "cjs.cjs"), entries.map((entry) => `require(${JSON.stringify(entry)});`).join("\n"));
      await run(process.execPath, ["cjs.cjs"], { cwd: project });
    });
  }
  const example = readmeExample(folder);
  if (entries.length > 0) await check("types", () => checkTypes(project, entries, example));
  if (example && isNode) {
    await check("README example", async () => {
      writeFileSync(join(project, "example.mjs"), transformSync(example, { loader: "ts", format: "esm" }).code);
      await run(process.execPath, ["example.mjs"], { cwd: project });
    });
  }
  for (const [command, target] of Object.entries(manifest.bin ?? {})) {
    if (!existsSync(join(folder, target))) continue;
    await check(`${command} --help`, () =>
      run(npm, ["exec", "--offline", "--", command, "--help"], { cwd: project, env: npmEnv }).then(() => ""),
    );
  }
  if (name === "@villa/docmnist") {
    await check("npx @villa/docmnist with the original's flags", async () => {
      const flags = ["--attribute_budget=300", "--target_sample_complexity=16", "--digits=glyphs", "--out=data"];
      await run(npm, ["exec", "--offline", "--", name, ...flags], { cwd: project, env: npmEnv });
      const [dataset] = readdirSync(join(project, "data"));
      if (!/^docmnist_300_\d+\.\d$/.test(dataset)) throw new Error(`wrote ${dataset}`);
      return dataset;
    });
  }
}

/** What can be imported of a package: "@villa/data", "@villa/data/node"; nothing of one that is a command alone. */
function entriesOf({ name, exports = {} }) {
  return Object.keys(exports)
    .filter((key) => key !== "./package.json")
    .map((key) => name + key.slice(1));
}

async function checkTypes(project, entries, example) {
  // Whoever imports these asks for TensorFlow.js's types.
  const shielded = entries.filter((entry) => !["@villa/core/tensorflow", "@villa/core/kernels"].includes(entry));
  writeFileSync(
    join(project, "types.ts"),
    shielded.map((entry, i) => `import * as entry${i} from ${JSON.stringify(entry)};\nvoid entry${i};`).join("\n"),
  );
  const tsc = join(root, "node_modules/typescript-7/bin/tsc");
  const typeRoots = join(root, "node_modules/@types");
  const compile = (...args) =>
    run(
      process.execPath,
      [
        ...[tsc, "--noEmit", "--strict", "--target", "es2022", "--module", "nodenext"],
        ...["--typeRoots", typeRoots, "--types", "node", ...args],
      ],
      { cwd: project },
    );
  // Our own types ask nothing of a project; TensorFlow.js's, where only its user imports them, want skipLibCheck.
  await compile("types.ts");
  if (!example) return;
  writeFileSync(join(project, "example.ts"), example);
  await compile(...(example.includes("@tensorflow/") ? ["--skipLibCheck"] : []), "example.ts");
}

const wants = (name) => names.includes(name) || (names.length === 0 && name !== "everywhere");

try {
  console.log("packing and publishing");
  await sideBySide(packages.map((each) => () => publish(each)));

  const libraries = packages.filter(({ manifest }) => entriesOf(manifest).length > 0);
  const wanted = packages.filter(({ manifest }) => wants(manifest.name.replace("@villa/", "")));
  const tasks = wanted.map((each) => ({
    isTimed: each.manifest.name in budgets,
    run: () => group(each.manifest.name, (check) => testPackage(each, check)),
  }));
  const install = (project, wanted) => run(npm, ["i", ...wanted], { cwd: project, env: npmEnv });
  if (wants("apps")) {
    // What only runs in Node would be dead weight in a page.
    const forBrowsers = libraries.filter(({ manifest }) => isForBrowsers(manifest));
    tasks.push({
      run: () =>
        group("Vite app", (check) =>
          check("README examples", () => viteApp({ project: join(work, "vite"), packages: forBrowsers, install, run })),
        ),
    });
    tasks.push({
      run: () =>
        group("tslab notebook", (check) =>
          check("cells", () => notebook({ project: join(work, "tslab"), packages: libraries, install, run })),
        ),
    });
  }
  if (wants("starters")) {
    for (const [label, starter] of [
      ["npm create villa@latest my-project", nodeStarter],
      ["npm create villa@latest my-page -- --template vite", viteStarter],
    ]) {
      tasks.push({ run: () => group(label, (check) => starter({ folder: work, npm, env: npmEnv, run, check })) });
    }
  }
  // Times are taken before there is anything beside them.
  for (const task of tasks.filter(({ isTimed }) => isTimed)) await task.run();
  await sideBySide(tasks.filter(({ isTimed }) => !isTimed).map((task) => task.run));
  if (wants("everywhere"))
    await everywhere({ work, npm, url, env: npmEnv, packages: libraries, entriesOf, run, group });
} finally {
  server.kill();
  if (process.argv.includes("--keep")) console.log(`kept ${work}`);
  else rmSync(work, { recursive: true, force: true });
}
if (failures.length > 0) {
  console.error(`install test: ${failures.length} failed: ${failures.join("; ")}`);
  process.exit(1);
}
console.log("install test: every package installs and loads");
