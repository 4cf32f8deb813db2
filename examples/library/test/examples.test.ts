// Every script of this folder runs as its reader would run it, in an empty folder.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

const folder = join(import.meta.dirname, "..");

/** What each script must print, and the files that it must leave. backend-browser.ts has a test of its own. */
const scripts: Record<string, { readonly prints: readonly RegExp[]; readonly files?: readonly string[] | undefined }> =
  {
    "backend-node.ts": { prints: [/product \[ 256, 128 \] of 512/, /Backends, in order of preference/] },
    "cli.ts": {
      prints: [/split +images +precision/],
      files: ["checkpoints/docmnist_stage1/last.pkl", "checkpoints/docmnist_stage1/report.html"],
    },
    "core.ts": { prints: [/as \[ 1, 4, 4, 3 \]/, /step 49: loss 0\.0/] },
    "data.ts": { prints: [/0\.666988/, /\{ word: 'seven' \}/], files: ["weights.npz", "model.pth", "words.feather"] },
    "docmnist.ts": { prints: [/regions: .* \. /, /train: \{ images: 26/], files: ["docmnist.png"] },
    "ingest.ts": { prints: [/26 images, 120 regions/, /round: \d+ images/], files: ["own/annotations.feather"] },
    "mapping.ts": { prints: [/image 0: \[ \[ 'cat' \], \[ 'dog' \] \] \{ precision: 1, recall: 1, f1: 1 \}/] },
    "encoders.ts": { prints: [/57 regions of 13 images, 20 attributes/, /49406/] },
    "metrics.ts": { prints: [/AP 0\.505, AP50 0\.505/, /top-1: 0\.5/] },
    "preprocess.ts": {
      prints: [/13 images, 57 regions/, /20 attributes of 256 dimensions/],
      files: ["data/docmnist/attr_embs.pth"],
    },
    "train.ts": { prints: [/mapping \{\s+precision: 0.[56]/, /R-Precision: text → region [23]\d/] },
    "vlm.ts": { prints: [/R-Precision by chance: 0\.[12]/], files: ["tower.onnx"] },
  };

test("every library has a script, and every script is tested", () => {
  const found = readdirSync(folder).filter((name) => name.endsWith(".ts"));
  // create-villa is a command alone.
  const libraries = readdirSync(join(folder, "../../packages")).filter((name) => name !== "create-villa");
  const packages = libraries.map((name) => `${name}.ts`);
  expect(found).toEqual(expect.arrayContaining(packages));
  expect(found.sort()).toEqual([...Object.keys(scripts), "backend-browser.ts"].sort());
});

test.each(Object.entries(scripts))("%s", { timeout: 240_000 }, (name, { prints, files = [] }) => {
  const work = mkdtempSync(join(tmpdir(), "villa-example-"));
  try {
    const loader = import.meta.resolve("tsx");
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      ["--import", loader, "--conditions=@villa/source", join(folder, name)],
      { cwd: work, encoding: "utf8", env: { ...process.env, VILLA_BACKEND: "" } },
    );
    expect(status, stderr).toBe(0);
    for (const pattern of prints) expect(stdout).toMatch(pattern);
    for (const file of files) expect(existsSync(join(work, file)), file).toBe(true);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
});
