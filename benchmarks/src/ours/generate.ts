// Time of `docmnist generate` as a whole command, every file written, from digits in MNIST's format, which are drawn before.
// The original takes 13.9 s where it was timed.
//
// Files go to /dev/shm where it has room, else to the folder for temporary files; VILLA_BENCH_DIR names another. On a disk
// with ext4 the time is the same, unless thousands of files were deleted in the minutes before: ext4 passes over their inodes
// one by one, which has nothing to do with what is measured. For the same reason all folders stay until the end.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { glyphDigits } from "@villa/docmnist";
import { report, settings } from "./common.ts";

const at = settings({ budget: 30_000, complexity: 16, digits: 10_000, repeats: 5 });
const folder = mkdtempSync(join(process.env.VILLA_BENCH_DIR ?? folderForFiles(), "villa-bench-"));
try {
  const { images, labels } = glyphDigits(23, at.digits);
  writeIdx(join(folder, "train-images-idx3-ubyte"), images, [at.digits, 28, 28]);
  writeIdx(join(folder, "train-labels-idx1-ubyte"), labels, [at.digits]);
  const manifest = createRequire(import.meta.url).resolve("@villa/docmnist/package.json");
  const peakFile = join(folder, "peak");
  const tellPeak = `import fs from "node:fs"; process.on("exit", () => fs.writeFileSync(${JSON.stringify(peakFile)}, String(process.resourceUsage().maxRSS)))`;
  const observed = ["--import", `data:text/javascript,${encodeURIComponent(tellPeak)}`];
  const command = [...observed, join(dirname(manifest), "dist/cli.js"), "generate", "--digits", folder];
  const sizes = ["--attribute-budget", `${at.budget}`, "--target-sample-complexity", `${at.complexity}`];
  const times: number[] = [];
  for (let run = 0; run <= at.repeats; run++) {
    spawnSync("sync"); // what earlier runs wrote would be flushed in the middle of this one
    const start = performance.now();
    execFileSync(process.execPath, [...command, ...sizes, "--out", join(folder, `data-${run}`)], { stdio: "ignore" });
    if (run > 0) times.push((performance.now() - start) / 1000);
  }
  report({ threads: 1 }, "JavaScript", times, { peakKiB: Number(readFileSync(peakFile, "utf8")) });
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function folderForFiles(): string {
  const memory = "/dev/shm";
  if (!existsSync(memory)) return tmpdir();
  const { bavail, bsize } = statfsSync(memory);
  return bavail * bsize > 2 ** 30 ? memory : tmpdir();
}

/** MNIST's format: two zero bytes, the type (8 = bytes), the number of sides, the sides, the values. */
function writeIdx(path: string, values: Uint8Array, sides: readonly number[]): void {
  const header = Buffer.alloc(4 + 4 * sides.length);
  header.writeUInt8(8, 2);
  header.writeUInt8(sides.length, 3);
  for (const [i, side] of sides.entries()) header.writeUInt32BE(side, 4 + 4 * i);
  writeFileSync(path, Buffer.concat([header, values]));
}
