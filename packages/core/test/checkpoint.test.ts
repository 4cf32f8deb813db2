import { spawn } from "node:child_process";
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs-core";
import { isVillaError, readSafetensors, writeSafetensors } from "@villa/data";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { plainCpuBackend, restoreVariables, trainLoop } from "../src/index.ts";
import { folderCheckpoints, jsonlMetrics, loadCheckpoint, readMetrics, saveCheckpoint } from "../src/node.ts";
import { tinyRun } from "./tiny-run.ts";

let folder: string;
beforeAll(() => plainCpuBackend().activate());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "villa-checkpoint-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("folderCheckpoints", () => {
  it("a run that continues from files ends exactly as an uninterrupted one; its log has every epoch once", async () => {
    const whole = tinyRun();
    await trainLoop(whole.options);
    const log = join(folder, "logs", "metrics.jsonl");
    const parts = (signal?: AbortSignal) => ({
      checkpoints: folderCheckpoints(join(folder, "run")),
      metrics: jsonlMetrics(log),
      resume: true,
      signal,
    });
    const controller = new AbortController();
    let steps = 0;
    const onProgress = () => void (++steps === 10 && controller.abort());
    const first = tinyRun({ ...parts(controller.signal), onProgress });
    await trainLoop(first.options).catch(() => undefined);
    // What a crash after the checkpoint would have left: later lines, one of them torn.
    appendFileSync(log, `${JSON.stringify({ kind: "epoch", epoch: 3, step: 12, loss: 1 })}\n{"kind":"ep`);
    const second = tinyRun(parts());
    await trainLoop(second.options);

    expect(await second.values()).toEqual(await whole.values());
    const records = await readMetrics(log);
    expect(records.map(({ kind, epoch, step }) => [kind, epoch, step])).toEqual(
      [1, 2, 3, 4, 5, 6].map((epoch) => ["epoch", epoch, 4 * epoch]),
    );
    expect(records[2]!.loss).not.toBe(1);
    for (const run of [whole, first, second]) run.dispose();
  });

  it("keeps the best apart from the last", async () => {
    const checkpoints = folderCheckpoints(folder);
    const run = tinyRun({ checkpoints, epochs: 3, validate: (epoch) => [1, 0.5, 2][epoch - 1]!, extra: { lr: 0.01 } });
    await trainLoop(run.options);
    const [best, last] = [await loadCheckpoint(checkpoints.bestPath), await loadCheckpoint(checkpoints.lastPath)];
    expect([best.position.epoch, last.position.epoch]).toEqual([2, 3]);
    expect(best.tensors.get("model.fc1.weight")!.data).not.toEqual(last.tensors.get("model.fc1.weight")!.data);
    expect(JSON.parse(readFileSync(join(folder, "last.json"), "utf8"))).toMatchObject({ epoch: 3, lr: 0.01 });
    expect(readdirSync(folder).sort()).toEqual(["best.json", "best.safetensors", "last.json", "last.safetensors"]);
    // Plain safetensors: any reader gets the weights.
    expect(readSafetensors(readFileSync(checkpoints.bestPath)).tensors.get("model.bn.running_var")!.shape).toEqual([8]);
    restoreVariables(run.options.variables, best.tensors);
    expect((await run.values())["fc1.weight"]).toEqual([
      ...(best.tensors.get("model.fc1.weight")!.data as Float32Array),
    ]);
    run.dispose();
  });

  it("survives being killed in the middle of writing", async () => {
    const writer = fileURLToPath(new URL("./checkpoint-writer.ts", import.meta.url));
    const { lastPath, bestPath, loadLast } = folderCheckpoints(folder);
    const halfWritten = () => readdirSync(folder).some((name) => name.endsWith("tmp"));
    for (let round = 0; round < 3; round++) {
      const child = spawn(process.execPath, ["--conditions=@villa/source", "--import", tsx(), writer, folder], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      await new Promise<void>((resolve) => child.stdout.once("data", () => resolve()));
      // Freeze it where a file is half written, then kill it there.
      for (let caught = false; !caught; ) {
        await new Promise((resolve) => setTimeout(resolve, round));
        if (!halfWritten()) continue;
        child.kill("SIGSTOP");
        await new Promise((resolve) => setTimeout(resolve, 20));
        caught = halfWritten();
        if (!caught) child.kill("SIGCONT");
      }
      child.kill("SIGKILL");
      await new Promise((resolve) => child.once("exit", resolve));
      expect(halfWritten()).toBe(true);
      for (const checkpoint of [await loadCheckpoint(lastPath), await loadCheckpoint(bestPath)]) {
        const { data } = checkpoint.tensors.get("model.weight")!;
        expect((data as Float32Array).every((value) => value === checkpoint.position.epoch)).toBe(true);
      }
      expect((await loadLast())!.position.epoch).toBeGreaterThan(0);
      expect(halfWritten()).toBe(false);
    }
  });

  it("has no checkpoint in a new folder", async () => {
    expect(await folderCheckpoints(join(folder, "new")).loadLast()).toBeUndefined();
  });
});

describe("loadCheckpoint", () => {
  it("tells a damaged file, another safetensors file and a later format apart", async () => {
    const path = join(folder, "x.safetensors");
    const codeOf = async () => {
      const error = await loadCheckpoint(path).catch((each: unknown) => each);
      return isVillaError(error) ? `${error.code}: ${error.message.includes(path)}` : error;
    };
    expect(await codeOf()).toBe("NotFound: true");
    writeFileSync(path, writeSafetensors(new Map()));
    expect(await codeOf()).toBe("InvalidFile: true");
    writeFileSync(path, writeSafetensors(new Map(), { "villa.format": "3", "villa.position": "{}" }));
    expect(await codeOf()).toBe("Unsupported: true");
    const run = tinyRun({ checkpoints: folderCheckpoints(folder), epochs: 1 });
    await trainLoop(run.options);
    run.dispose();
    await saveCheckpoint(path, await loadCheckpoint(join(folder, "last.safetensors")));
    truncateSync(path, statSync(path).size - 1);
    expect(await codeOf()).toBe("InvalidFile: true");
  });
});

it("a failing write names the file and leaks nothing", async () => {
  const checkpoints = folderCheckpoints(join(folder, "file"));
  writeFileSync(join(folder, "file"), "not a folder");
  const before = tf.memory().numTensors;
  const run = tinyRun({ checkpoints, epochs: 1 });
  const error = await trainLoop(run.options).catch((each) => each);
  expect(isVillaError(error, "FileSystem")).toBe(true);
  expect((error as Error).message).toContain("last.safetensors");
  run.dispose();
  expect(tf.memory().numTensors).toBe(before);
});

function tsx(): string {
  return import.meta.resolve("tsx");
}
