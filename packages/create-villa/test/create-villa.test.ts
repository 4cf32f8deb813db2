import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { useNodeBackend } from "@villa/backend-node";
import { runVilla } from "@villa/cli";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import packageJson from "../package.json" with { type: "json" };
import { createVilla } from "../src/create-villa.ts";
import { learn } from "../templates/vite/src/learn.ts";

const folder = mkdtempSync(join(tmpdir(), "create-villa-"));
const before = process.cwd();
beforeAll(() => process.chdir(folder));
afterAll(() => {
  process.chdir(before);
  rmSync(folder, { recursive: true, force: true });
});

async function create(...argv: string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const exitCode = await createVilla(argv, { out: (text) => out.push(text), err: (text) => err.push(text) });
  return { exitCode, out: out.join("\n"), err: err.join("\n") };
}

const read = (...path: string[]): string => readFileSync(join(folder, ...path), "utf8");

describe("the Node project", () => {
  test("has a table, pictures, settings, scripts and a README, and depends on the packages of its own version", async () => {
    const { exitCode, out, err } = await create("my-project");
    expect({ exitCode, err }).toEqual({ exitCode: 0, err: "" });
    expect(out).toMatch(/cd my-project\n {2}npm install\n {2}npm start$/);
    expect(readdirSync(join(folder, "my-project")).sort()).toEqual([
      ...[".gitignore", "README.md", "attributes.json", "package.json", "photos", "stage1.yaml", "stage2.yaml"],
      "table.csv",
    ]);
    const { name, dependencies } = JSON.parse(read("my-project/package.json"));
    expect({ name, dependencies }).toEqual({
      name: "my-project",
      dependencies: { "@villa/cli": packageJson.version },
    });
    expect(read("my-project/README.md")).toMatch(/^# my-project\n/);
    expect(readdirSync(join(folder, "my-project/photos"))).toHaveLength(160);
  });

  test("has the same pictures and table every time", async () => {
    await create("twin");
    expect(read("twin/table.csv")).toBe(read("my-project/table.csv"));
    expect(read("twin/photos/007.png")).toBe(read("my-project/photos/007.png"));
  });

  test("leads to a search by words, script after script", { timeout: 240_000 }, async () => {
    process.chdir(join(folder, "my-project"));
    const { scripts } = JSON.parse(read("my-project/package.json")) as { scripts: Record<string, string> };
    const steps = scripts.start!.split(" && ").map((step) => step.replace("npm run ", ""));
    expect(steps).toEqual(["ingest", "preprocess", "stage1", "stage2", "evaluate", "query"]);
    for (const step of steps) {
      const [, ...words] = scripts[step]!.match(/"[^"]*"|\S+/g)!.map((word) => word.replaceAll('"', ""));
      const shorter = step === "stage2" ? ["epochs=1"] : [];
      expect(await runVilla([...words, ...shorter], { out: () => {}, err: () => {}, interactive: false }), step).toBe(
        0,
      );
    }
    process.chdir(folder);
    const { mappings } = JSON.parse(read("my-project/checkpoints/mapping/report.json"));
    expect(mappings.find(({ split }: { split: string }) => split === "test").report.f1).toBeGreaterThan(0.95);
    for (const file of [
      "data/card.html",
      "checkpoints/mapping/report.html",
      "evaluation/evaluation.html",
      "hits.html",
    ]) {
      expect(read("my-project", file), file).toMatch(/^<!doctype html>/i);
      expect(read("my-project/README.md")).toContain(file);
    }
  });
});

describe("the Vite project", () => {
  test("is a page of this project's name with the packages of its own version", async () => {
    const { exitCode, out } = await create("my-page", "--template", "vite");
    expect(exitCode).toBe(0);
    expect(out).toMatch(/npm run dev$/);
    const { name, dependencies } = JSON.parse(read("my-page/package.json")) as {
      name: string;
      dependencies: Record<string, string>;
    };
    expect(name).toBe("my-page");
    const versions = Object.entries(dependencies).filter(([key]) => key.startsWith("@villa/"));
    expect(new Set(versions.map(([, version]) => version))).toEqual(new Set([packageJson.version]));
    const imported = ["src/learn.ts", "src/main.ts"].flatMap((file) => [
      ...read("my-page", file).matchAll(/from "(@[^/"]+\/[^/"]+)/g),
    ]);
    expect(imported.filter(([, dependency]) => !(dependency! in dependencies))).toEqual([]);
  });

  test("learns", async () => {
    const backend = await useNodeBackend();
    const fractions: number[] = [];
    const { samples, precision, recall } = await learn((fraction) => fractions.push(fraction));
    await backend.dispose();
    expect(samples.length).toBeGreaterThan(200);
    expect(fractions.at(-1)).toBe(1);
    expect(precision).toBeGreaterThan(0.6);
    expect(recall).toBeGreaterThan(0.55);
  });
});

describe("what cannot be", () => {
  test.each([
    [[], 2, "Say which folder to create"],
    [["a", "b"], 2, "Give one folder, not 2 (a, b)"],
    [["a", "--template", "deno"], 2, "There is no template deno; choose node or vite."],
    [["a", "--colour"], 2, "--colour"],
    [["My Project"], 2, 'cannot be named "My Project"'],
    [[".hidden"], 2, "such as hidden."],
    [["ünï"], 2, "such as n."],
    [["node_modules"], 2, "cannot be named"],
    [["full"], 1, "full has files in it already, such as own.txt"],
    [["a-file"], 1, "a-file is a file"],
    [["a-file/below"], 1, "is a file"],
  ])("%j: exit code %i, %s", async (argv, exitCode, sentence) => {
    mkdirSync("full", { recursive: true });
    writeFileSync("full/own.txt", "mine");
    writeFileSync("a-file", "");
    const result = await create(...argv);
    expect(result).toMatchObject({ exitCode, out: "" });
    expect(result.err).toContain(sentence);
    expect(readdirSync("full")).toEqual(["own.txt"]);
    expect(existsSync("a")).toBe(false);
  });

  test("an empty folder and a fresh repository are as good as a new one", async () => {
    mkdirSync("fresh/.git", { recursive: true });
    expect((await create("fresh", "--template", "vite")).exitCode).toBe(0);
    expect(existsSync("fresh/.git")).toBe(true);
  });

  test("--help and --version", async () => {
    expect((await create("--help")).out).toContain("--template");
    expect((await create("--version")).out).toBe(packageJson.version);
  });
});
