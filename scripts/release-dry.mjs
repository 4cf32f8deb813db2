// What a release would publish, without publishing: applies the changesets in a scratch clone, packs every package there,
// checks what is in the tarballs, lists it, and lets npm go through the motions. Needs `npm run build` before it.
// Options: names of packages to list file by file with sizes, or --files for all of them; by default, files by kind.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const npm = process.platform === "win32" ? "npm.cmd" : "npm";
const work = mkdtempSync(join(tmpdir(), "villa-release-"));
const clone = join(work, "villa");
const tarballs = join(work, "tarballs");
const faults = [];

/** What a tarball may hold. */
const wanted =
  /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|THIRD_PARTY_[A-Z]+\.(txt|md)|dist\/.+\.(c?js|d\.c?ts|wasm)|templates\/.+)$/;

function run(command, args, cwd) {
  const result = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    shell: process.platform === "win32",
    env: { ...process.env, CI: "true" },
  });
  if (result.status === 0) return result.stdout;
  throw new Error(`${command} ${args.join(" ")}\n${result.stdout ?? ""}${result.stderr ?? ""}`.slice(-3000));
}
const pnpm = (args, cwd) => run(process.execPath, [join(root, "scripts/pnpm.mjs"), ...args], cwd);
const readJson = (path) => JSON.parse(readFileSync(path, "utf8"));

/** Versions as a release would set them. */
function applyChangesets() {
  run("git", ["clone", "--quiet", "--local", root, clone], root);
  pnpm(["install", "--frozen-lockfile", "--ignore-scripts", "--prefer-offline"], clone);
  const before = readdirSync(join(clone, ".changeset")).filter((name) => name.endsWith(".md"));
  run(process.execPath, ["node_modules/@changesets/cli/bin.js", "version"], clone);
  console.log(`${before.length} changesets applied`);
  return before.length;
}

/** Every path that a manifest points at. */
function entryPaths({ main, module, types, bin = {}, exports = {} }) {
  const nested = (value) => (typeof value === "string" ? [value] : Object.values(value ?? {}).flatMap(nested));
  return [main, module, types, ...nested(bin), ...nested(exports)]
    .filter(Boolean)
    .map((path) => path.replace("./", ""));
}

function checkPackage(folder) {
  const name = folder.split(/[\\/]/).at(-1);
  const complain = (what) => faults.push(`${name}: ${what}`);
  if (!existsSync(join(root, "packages", name, "dist"))) throw new Error(`${name} is not built: npm run build`);
  cpSync(join(root, "packages", name, "dist"), join(folder, "dist"), { recursive: true });
  pnpm(["pack", "--pack-destination", tarballs], folder);
  const source = readJson(join(folder, "package.json"));
  const tarball = join(tarballs, `${source.name.replace("@", "").replace("/", "-")}-${source.version}.tgz`);
  const unpacked = join(work, name);
  mkdirSync(unpacked);
  run("tar", ["xzf", tarball, "-C", unpacked], work);

  const manifest = readJson(join(unpacked, "package/package.json"));
  const files = readdirSync(join(unpacked, "package"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(join(unpacked, "package").length + 1)
        .replaceAll("\\", "/"),
    );
  const unwanted = files.filter((path) => !wanted.test(path));
  if (unwanted.length > 0) complain(`unwanted files: ${unwanted.join(", ")}`);
  for (const path of ["README.md", "LICENSE", ...entryPaths(manifest)]) {
    if (!files.includes(path)) complain(`${path} is missing`);
  }
  const text = JSON.stringify(manifest);
  if (/workspace:|@villa\/source/.test(text)) complain("the published package.json refers to the workspace");
  for (const [dependency, version] of Object.entries(manifest.dependencies ?? {})) {
    if (dependency.startsWith("@villa/") && version !== source.version) complain(`depends on ${dependency} ${version}`);
  }
  const { license, engines, repository, description, keywords } = manifest;
  if (license !== "MIT" || !engines?.node || !description || !keywords?.length) complain("the manifest is incomplete");
  if (repository?.directory !== `packages/${name}`) complain("repository.directory is wrong: provenance needs it");
  if (source.publishConfig?.provenance !== true || source.publishConfig?.access !== "public") {
    complain("publishConfig lacks provenance or public access");
  }
  // npm 11 puts the report under the package's name, npm 10 does not.
  const report = JSON.parse(run(npm, ["publish", tarball, "--dry-run", "--json", "--provenance=false"], work));
  const { size, unpackedSize } = report[manifest.name] ?? report;
  const listed = process.argv.includes("--files") || process.argv.slice(2).includes(name);
  const kilobytes = (bytes) => `${(bytes / 1000).toFixed(0)} kB`.padStart(8);
  console.log(
    `${`${manifest.name}@${manifest.version}`.padEnd(30)}${kilobytes(size)} packed ${kilobytes(unpackedSize)} unpacked, ${files.length} files`,
  );
  console.log(listed ? fileList(join(unpacked, "package"), files) : `  ${summary(files)}`);
  return {
    version: manifest.version,
    isNew: manifest.version !== readJson(join(root, "packages", name, "package.json")).version,
  };
}

/** "LICENSE, README.md, package.json, 4 dist/*.js, 2 dist/*.d.ts" */
function summary(files) {
  const counts = new Map();
  for (const path of files.filter((path) => path.includes("/"))) {
    const kind = `${path.split("/")[0]}/*${/(\.d)?\.[^./]+$/.exec(path)?.[0] ?? ""}`;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const atTop = files.filter((path) => !path.includes("/")).sort();
  return [...atTop, ...[...counts].sort().map(([kind, count]) => `${count} ${kind}`)].join(", ");
}

function fileList(folder, files) {
  return files
    .sort()
    .map((path) => `  ${String(statSync(join(folder, path)).size).padStart(9)}  ${path}`)
    .join("\n");
}

try {
  const changesets = applyChangesets();
  const folders = readdirSync(join(clone, "packages")).map((name) => join(clone, "packages", name));
  const released = folders.map(checkPackage);
  if (new Set(released.map(({ version }) => version)).size > 1)
    faults.push("packages differ in version; they are released together");
  if (changesets > 0 && !released.every(({ isNew }) => isNew)) faults.push("changesets have not raised the version");
  for (const folder of folders) {
    if (changesets > 0 && !existsSync(join(folder, "CHANGELOG.md"))) faults.push(`${folder}: no CHANGELOG.md`);
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
if (faults.length > 0) {
  console.error(`release: not ready\n${faults.map((fault) => `  ${fault}`).join("\n")}`);
  process.exit(1);
}
console.log("release: ready; `npm run release` publishes it from CI, with provenance");
