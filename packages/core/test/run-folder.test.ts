import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expectAllClose, fixturesDirectory } from "@villa/testing";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Fingerprint, plainCpuBackend, trainLoop } from "../src/index.ts";
import { folderCheckpoints, jsonlMetrics, loadCheckpoint, RunFolder, readMetrics } from "../src/node.ts";
import { tinyRun } from "./tiny-run.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "villa-run-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("a run folder of an earlier version, which counted epochs from 0 and logged steps", () => {
  beforeAll(() => plainCpuBackend().activate());

  it("goes on as if it had been written now", async () => {
    const whole = tinyRun();
    const expected = await trainLoop(whole.options);
    cpSync(join(fixturesDirectory, "runs", "loop"), folder, { recursive: true });
    expect((await loadCheckpoint(join(folder, "last.safetensors"))).position).toMatchObject({
      epoch: 3,
      stopping: { bestEpoch: 2 },
    });

    const log = join(folder, "metrics.jsonl");
    const resumed = tinyRun({
      checkpoints: folderCheckpoints(folder),
      metrics: jsonlMetrics(log),
      resume: true,
    });
    const result = await trainLoop(resumed.options);
    expect(result).toMatchObject({ bestEpoch: expected.bestEpoch, bestLoss: expected.bestLoss });
    expect(result.history.map(({ epoch }) => epoch)).toEqual([4, 5, 6]);
    const [values, others] = [await resumed.values(), await whole.values()];
    for (const [name, own] of Object.entries(values)) expectAllClose(own, others[name]!, { rtol: 1e-6, atol: 1e-6 });
    const records = await readMetrics(log);
    expect(records.map(({ epoch, step }) => [epoch, step])).toEqual([1, 2, 3, 4, 5, 6].map((n) => [n, 4 * n]));
    expect(records[0]!.loss).toBeCloseTo(expected.history[0]!.loss, 6);
    for (const run of [whole, resumed]) run.dispose();
  });
});

describe("RunFolder", () => {
  const results = ["last", "log"];
  const open = (resume: "auto" | "never", seed: string) =>
    RunFolder.open({
      directory: join(folder, "run"),
      resume,
      fingerprint: { seed, loss: undefined },
      results,
      readFingerprint: async (at): Promise<Fingerprint | undefined> => {
        try {
          return JSON.parse(readFileSync(join(at, "last"), "utf8"));
        } catch {
          return undefined;
        }
      },
    });
  const train = (run: RunFolder, seed: string): void => {
    mkdirSync(run.current, { recursive: true });
    writeFileSync(join(run.current, "last"), JSON.stringify({ seed }));
  };
  const trained = () => JSON.parse(readFileSync(join(folder, "run", "last"), "utf8")).seed;

  it("goes on with the checkpoints of the same run, and refuses those of another", async () => {
    const first = await open("auto", "1");
    expect(first.current).toBe(join(folder, "run"));
    train(first, "1");
    expect((await open("auto", "1")).current).toBe(first.current);
    await expect(open("auto", "2")).rejects.toThrow(/run holds the checkpoints of another run \(seed differs\)/);
  });

  it("keeps earlier results until the run that starts anew is trained, and goes on with it after an interruption", async () => {
    const first = await open("never", "1");
    train(first, "1");
    writeFileSync(join(folder, "run", "log"), "one");
    writeFileSync(join(folder, "run", "notes.txt"), "mine");
    await first.takePlace();
    const second = await open("never", "2");
    train(second, "2");
    expect(trained()).toBe("1");
    const resumed = await open("auto", "2");
    expect(resumed.current).toBe(second.current);
    await resumed.takePlace();
    expect(trained()).toBe("2");
    expect(readdirSync(join(folder, "run")).sort()).toEqual(["last", "notes.txt"]);
    expect(readdirSync(folder)).toEqual(["run"]);
    expect(resumed.current).toBe(join(folder, "run"));
  });

  it("leaves what is not its own beside it", async () => {
    const first = await open("never", "1");
    train(first, "1");
    mkdirSync(join(folder, "run.new", "photos"), { recursive: true });
    writeFileSync(join(folder, "run.new", "photos", "1.jpg"), "mine");
    writeFileSync(join(folder, "run.new", "last.7-ab.tmp"), "half");
    const second = await open("never", "2");
    expect(second.current).toBe(join(folder, "run.new"));
    train(second, "2");
    await second.takePlace();
    expect(trained()).toBe("2");
    expect(readdirSync(join(folder, "run.new"), { recursive: true }).sort()).toEqual([
      "photos",
      join("photos", "1.jpg"),
    ]);
  });
});
