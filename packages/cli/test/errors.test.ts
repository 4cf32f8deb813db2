// Mistakes as a user makes them: one sentence that says what to do, on stderr, and the right exit code.
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runVilla } from "../src/main.ts";

async function villa(...argv: string[]) {
  const lines = { out: [] as string[], err: [] as string[] };
  const exitCode = await runVilla(argv, {
    out: (line) => lines.out.push(line),
    err: (line) => lines.err.push(line),
    interactive: false,
  });
  return { exitCode, out: lines.out.join("\n"), err: lines.err.join("\n") };
}

test("without arguments villa shows what it can do", async () => {
  const { exitCode, out, err } = await villa();
  expect(exitCode).toBe(0);
  expect(err).toBe("");
  for (const part of ["Usage: villa", "quickstart", "stage1", "Examples:", "docs/guide.md"])
    expect(out).toContain(part);
});

test.each([
  [["stag1"], /^villa: Unknown command 'stag1'\n\(Did you mean stage1\?\)/],
  [["--bogus"], /^villa: Unknown option '--bogus'/],
  [["preprocess"], /^villa: Required option '--data-dir <folder>' not specified/],
  [
    ["preprocess", "--data-dir", "x", "--encoder", "vit"],
    /There is no encoder "vit": give clip-rn50, pixels, a model's folder/,
  ],
  [["stage1"], /^villa: .*data_dir is missing; give data_dir=VALUE/],
  [["stage1", "epochs"], /"epochs" is not an override; write key=value/],
  [["stage1", "epoch=3"], /Unknown key "epoch" in the override. Did you mean "epochs"\?/],
  [["stage1", "experiment=foo"], /There is no experiment "foo"; give a YAML file or one of the built-in ones/],
  [["stage1", "data_dir=x", "epsilon=5"], /mapping.epsilon: expected a number above 0 and at most 2/],
  [["stage1", "data_dir=x", "--attributes-shard", "5/4"], /--shard takes i\/n.*not "5\/4"/],
  [["stage2", "data_dir=x", "pairs=foo"], /pairs: expected "mapping" or "image" or "oracle", not "foo"/],
  [
    ["annotate", "--data-dir", "x", "--checkpoint", "y", "--out", "z.txt", "--backend", "cpu"],
    /^villa: --out takes FILE\.jsonl, FILE\.csv, FILE\.json \(COCO\) or FILE\.html \(a page for corrections\), not "z\.txt"\.$/,
  ],
  [
    ["query", "--data-dir", "x", "--checkpoint", "y", "--text", "a", "--out", "z.csv", "--backend", "cpu"],
    /^villa: --out takes FILE\.png or FILE\.html, not "z\.csv"\.$/,
  ],
  [["stage1", "--data-dir", "x", "--epoch", "3"], /Unknown key "epoch"/],
])("%j is refused with exit code 2", async (argv, message) => {
  const { exitCode, out, err } = await villa(...argv);
  expect(err).toMatch(message);
  expect(out).toBe("");
  expect(exitCode).toBe(2);
});

test("flags in the original's snake_case mean the same", async () => {
  const { exitCode, err } = await villa("preprocess", "--data_dir=no_such_folder", "--encoder", "pixels");
  expect(err).toBe("villa: There is no dataset folder no_such_folder.");
  expect(exitCode).toBe(1);
});

test.each([["quickstart"], ["preprocess", "--data-dir", "x"]])(
  "a seed that is no number is refused by %s",
  async (...argv) => {
    const { exitCode, err } = await villa(...argv, "--seed", "lucky");
    expect(err).toMatch(/'lucky' is invalid. Give a whole number of at least 0/);
    expect(exitCode).toBe(2);
  },
);

test("help of a command, asked for either way", async () => {
  const [before, after] = [await villa("help", "preprocess"), await villa("preprocess", "--help")];
  expect(before).toEqual(after);
  expect(after.out).toMatch(/--data-dir <folder>[\s\S]*\(required\)/);
  expect((await villa("stag1", "--help")).err).toMatch(/Unknown command 'stag1'/);
  expect((await villa("help", "stag1")).exitCode).toBe(2);
});

test("what the system refuses is said in a sentence", async () => {
  const file = join(await mkdtemp(join(tmpdir(), "villa-errors-")), "file");
  await writeFile(file, "");
  const { exitCode, err } = await villa("quickstart", "--out", join(file, "folder"), "--backend", "cpu");
  expect(err).toMatch(/^villa: Cannot write .*: part of its path is not a folder\.$/);
  expect(exitCode).toBe(1);
});

test.each([
  [["preprocess", "--data-dir", "no-such-folder"]],
  [["stage1", "data_dir=no-such-folder"]],
  [["stage2", "experiment=docmnist_stage2_small", "data_dir=no-such-folder"]],
  [["evaluate", "--data-dir", "no-such-folder", "--checkpoint", "embeddings"]],
])("%j fails with exit code 1 and one sentence", async ([...argv]) => {
  const { exitCode, err } = await villa(...argv, "--backend", "cpu");
  expect(err).toBe("villa: There is no dataset folder no-such-folder.");
  expect(exitCode).toBe(1);
});
