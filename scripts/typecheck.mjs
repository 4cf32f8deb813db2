// `npm run typecheck [-- NAME…]`: type-checks every project, or those whose folders are named, two at a time.
// TypeScript 7 checks, since it takes a tenth of the time; TypeScript 6 stays for the tools that use its JavaScript API.
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, join } from "node:path";

const root = join(import.meta.dirname, "..");
const tsc = join(root, "node_modules/typescript-7/bin/tsc");

const names = process.argv.slice(2);
const groups = ["packages", "examples", "tools"];
const projects = groups
  .flatMap((group) => readdirSync(join(root, group)).map((name) => join(group, name)))
  .concat("benchmarks", "scripts", "site")
  .filter((folder) => existsSync(join(root, folder, "tsconfig.json")))
  .filter((folder) => names.length === 0 || names.includes(basename(folder)));

const unknown = names.filter((name) => !projects.some((folder) => basename(folder) === name));
if (unknown.length > 0) {
  console.error(`There is no project ${unknown.join(", ")}.`);
  process.exit(2);
}

const check = (folder) =>
  new Promise((resolve) => {
    const compiler = spawn(process.execPath, [tsc, "--noEmit", "--pretty", "-p", "."], { cwd: join(root, folder) });
    let output = "";
    for (const stream of [compiler.stdout, compiler.stderr]) stream.on("data", (text) => (output += text));
    compiler.on("close", (code) => resolve({ folder, code, output }));
  });

const left = [...projects];
const failed = [];
await Promise.all(
  Array.from({ length: Math.min(2, availableParallelism()) }, async () => {
    for (let folder = left.shift(); folder !== undefined; folder = left.shift()) {
      const { code, output } = await check(folder);
      console.log(`${code === 0 ? "ok    " : "FAILED"} ${folder}`);
      if (code !== 0) failed.push(folder);
      if (output) console.log(output);
    }
  }),
);
process.exit(failed.length > 0 ? 1 : 0);
