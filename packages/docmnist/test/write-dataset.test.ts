import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { attributeNames, isVillaError } from "@villa/data";
import { openDataset } from "@villa/data/node";
import { describe, expect, it } from "vitest";
import { chooseAttributes, glyphDigits, streamDocMnist } from "../src/index.ts";
import { type WriteDatasetOptions, writeDataset } from "../src/node.ts";
import { temporaryFolders } from "./temporary-folder.ts";

const folder = temporaryFolders();
const options = {
  digits: { train: glyphDigits(1, 200) },
  attributeBudget: 300,
  valAttributeBudget: 100,
  targetSampleComplexity: 12,
};
const codeOf = async (change: Partial<WriteDatasetOptions>): Promise<string> => {
  const error = await writeDataset({ ...options, ...change }).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (isVillaError(error)) return error.code;
  throw error ?? new Error("accepted");
};

describe("writeDataset", () => {
  it("writes what the generator makes, also with other attributes, a larger grid and a test split", async () => {
    const attributes = chooseAttributes({
      colors: [{ name: "orange", rgb: [255, 136, 0] }],
      shapes: ["cross", "none"],
    });
    const settings = { ...options, attributes, gridSize: 9, testAttributeBudget: 60 };
    const out = folder();
    const { directory, splits } = await writeDataset({ ...settings, out, name: "mine" });
    expect(directory).toBe(join(out, "mine"));
    expect(readdirSync(out)).toEqual(["mine"]);
    expect(Object.keys(splits)).toEqual(["train", "val", "test"]);
    const dataset = await openDataset(directory);
    const rows = dataset.samples();
    for (const sample of streamDocMnist(settings)) {
      const { value } = await rows.next();
      expect(value!.row).toMatchObject({ imageId: sample.id, split: sample.split, text: sample.text });
      expect(value!.row.regToAttr).toEqual(sample.regions.map((region) => region.attributes));
      expect(Buffer.compare(value!.image.data, sample.image)).toBe(0);
    }
    expect((await rows.next()).done).toBe(true);
    expect(attributeNames(dataset.vocabulary).slice(10)).toEqual(["orange", "cross", "small", "medium", "large"]);
  });

  it("refuses an existing folder, replaces a dataset when told to, and nothing else ever", async () => {
    const out = folder();
    const { directory } = await writeDataset({ ...options, out, name: "set" });
    const before = readFileSync(join(directory, "annotations.feather"));
    expect(await codeOf({ out, name: "set", seed: 1 })).toBe("AlreadyExists");
    expect(readFileSync(join(directory, "annotations.feather"))).toEqual(before);
    await writeDataset({ ...options, out, name: "set", seed: 1, overwrite: true });
    expect(readFileSync(join(directory, "annotations.feather"))).not.toEqual(before);

    mkdirSync(join(out, "thesis"));
    writeFileSync(join(out, "thesis", "thesis.tex"), "precious");
    expect(await codeOf({ out, name: "thesis", overwrite: true })).toBe("AlreadyExists");
    expect(readdirSync(out).sort()).toEqual(["set", "thesis"]);
    expect(readFileSync(join(out, "thesis", "thesis.tex"), "utf8")).toBe("precious");
  });

  it("finds out after the train split that the folder of its average is there", async () => {
    const out = folder();
    const { directory, splits } = await writeDataset({ ...options, out });
    expect(directory).toBe(join(out, `docmnist_300_${splits.train!.averageSampleComplexity.toFixed(1)}`));
    expect(await codeOf({ out })).toBe("AlreadyExists");
    expect(readdirSync(out)).toHaveLength(1);
  });

  it("leaves nothing when it is cancelled", async () => {
    const out = folder();
    const abort = new AbortController();
    let images = 0;
    const onProgress = () => {
      if (++images === 20) abort.abort();
    };
    expect(await codeOf({ out, signal: abort.signal, onProgress })).toBe("Aborted");
    expect(readdirSync(out)).toEqual([]);
  });

  it("leaves nothing when the budget does not hold one image, not even the folders above", async () => {
    const out = folder();
    expect(await codeOf({ out: join(out, "a", "b"), attributeBudget: 1 })).toBe("InvalidArgument");
    expect(readdirSync(out)).toEqual([]);
  });

  it("says that a folder cannot be written", async () => {
    const file = join(folder(), "file");
    writeFileSync(file, "");
    expect(await codeOf({ out: join(file, "data") })).toBe("FileSystem");
    expect(readFileSync(file, "utf8")).toBe("");
  });

  it("keeps the older dataset when an overwrite fails half-way", async () => {
    const out = folder();
    const { directory } = await writeDataset({ ...options, out, name: "set" });
    const before = readFileSync(join(directory, "annotations.feather"));
    const abort = new AbortController();
    const stopped = { signal: abort.signal, onProgress: () => abort.abort() };
    expect(await codeOf({ out, name: "set", overwrite: true, ...stopped })).toBe("Aborted");
    expect(readFileSync(join(directory, "annotations.feather"))).toEqual(before);
    expect(existsSync(join(directory, "images", "0.npz"))).toBe(true);
  });

  const small = smallFileSystem();
  it.skipIf(!small)("leaves nothing on a full disk, and says that it is full", async () => {
    const out = small!.mount();
    try {
      const error = await writeDataset({ ...options, attributeBudget: 30_000, out }).catch((error: Error) => error);
      expect(error).toMatchObject({ code: "FileSystem", message: expect.stringContaining("no space left") });
      expect(readdirSync(out)).toEqual([]);
    } finally {
      small!.unmount();
    }
  });
});

/** A file system of one megabyte, where the tests may mount one: as root on Linux. */
function smallFileSystem(): { mount(): string; unmount(): void } | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return undefined;
  const path = `/tmp/docmnist-small-${process.pid}`;
  const mount = (): string => {
    mkdirSync(path, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", path], { stdio: "ignore" });
    return path;
  };
  const unmount = (): void => {
    execFileSync("umount", [path]);
    execFileSync("rmdir", [path]);
  };
  try {
    mount();
    unmount();
    return { mount, unmount };
  } catch {
    console.warn("Skipped: no small file system can be mounted here.");
    return undefined;
  }
}
