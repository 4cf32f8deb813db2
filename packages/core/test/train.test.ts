import * as tf from "@tensorflow/tfjs-core";
import { isVillaError, type ProgressUpdate, RandomState } from "@villa/data";
import { testBackends } from "@villa/testing/backends";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { type Checkpoint, type CheckpointStore, type MetricsRecord, plainCpuBackend, trainLoop } from "../src/index.ts";
import { epochBatches } from "../src/train/batches.ts";
import { tinyRun } from "./tiny-run.ts";

/** A store in memory that keeps JSON, as files do. */
function memoryStore(): CheckpointStore & {
  last?: Checkpoint | undefined;
  best?: Checkpoint | undefined;
  saves: number;
} {
  return {
    saves: 0,
    async saveLast(checkpoint) {
      this.saves++;
      this.last = { ...checkpoint, position: JSON.parse(JSON.stringify(checkpoint.position)) };
    },
    async markBest() {
      if (this.last) this.best = this.last;
    },
    async loadLast() {
      return this.last;
    },
  };
}

// A software GPU takes 50 ms a step.
const isSlow = (name: string) => name === "webgpu";

describe.each(testBackends())("trainLoop on $name", ({ name, activate }) => {
  beforeAll(activate);

  it("resumed after any interruption, ends exactly as an uninterrupted run", async () => {
    const whole = tinyRun();
    const expectedResult = await trainLoop(whole.options);
    const expected = await whole.values();
    const expectedRandom = whole.options.random.getState();
    whole.dispose();

    const steps = 4;
    for (const stopAt of isSlow(name) ? [7] : [1, 3, 4, 7, 8, 17]) {
      const checkpoints = memoryStore();
      const controller = new AbortController();
      let done = 0;
      const onProgress = () => {
        if (++done === stopAt) controller.abort();
      };
      const first = tinyRun({ checkpoints, signal: controller.signal, onProgress });
      const error = await trainLoop(first.options).catch((each) => each);
      first.dispose();
      expect(isVillaError(error, "Aborted")).toBe(true);
      // An abort in an epoch's last step is noticed when the next epoch begins.
      expect(checkpoints.last?.position).toMatchObject({ epoch: Math.floor(stopAt / steps), step: stopAt % steps });

      const second = tinyRun({ checkpoints, resume: true });
      const result = await trainLoop(second.options);
      expect(await second.values()).toEqual(expected);
      expect(second.options.random.getState()).toEqual(expectedRandom);
      expect(result.history).toEqual(expectedResult.history.slice(Math.floor(stopAt / steps)));
      expect(result).toMatchObject({ bestEpoch: expectedResult.bestEpoch, bestLoss: expectedResult.bestLoss });
      second.dispose();
    }
  });

  it("keeps memory flat over 1000 steps", async () => {
    const epochs = isSlow(name) ? 10 : 250;
    const counts: [tensors: number, bytes: number][] = [];
    const onProgress = () => counts.push([tf.memory().numTensors, tf.memory().numBytes]);
    const run = tinyRun({ onProgress, epochs, validate: () => 1 });
    await trainLoop(run.options);
    expect(counts.length).toBe(epochs * 4);
    expect(new Set(counts.slice(1).map(String)).size).toBe(1);
    run.dispose();
  });
});

describe("trainLoop", () => {
  beforeAll(() => plainCpuBackend().activate());

  it("saves, marks the best, schedules and stops early", async () => {
    const checkpoints = memoryStore();
    const losses = [1, 0.5, 0.6, 0.7, 0.8, 0.9];
    const marked: number[] = [];
    const { markBest } = checkpoints;
    checkpoints.markBest = async function mark() {
      marked.push(this.last!.position.epoch);
      await markBest.call(this);
    };
    const run = tinyRun({ checkpoints, patience: 2, validate: (epoch) => losses[epoch - 1]!, extra: { name: "tiny" } });
    const result = await trainLoop(run.options);
    expect(marked).toEqual([1, 2]);
    expect(result).toMatchObject({ stoppedEarly: true, bestEpoch: 2, bestLoss: 0.5 });
    expect(result.history.map(({ learningRate }) => learningRate)).toEqual([0.01, 0.01, 0.01, 0.005]);
    expect(checkpoints.last).toMatchObject({ extra: { name: "tiny" }, position: { stoppedEarly: true } });
    run.dispose();

    const again = tinyRun({ checkpoints, resume: true });
    expect((await trainLoop(again.options)).history).toEqual([]);
    again.dispose();
  });

  it("goes on when a finished run is given more epochs", async () => {
    const checkpoints = memoryStore();
    for (const epochs of [2, 6]) {
      const run = tinyRun({ checkpoints, epochs, resume: true });
      await trainLoop(run.options);
      if (epochs === 6) {
        const whole = tinyRun();
        await trainLoop(whole.options);
        expect(await run.values()).toEqual(await whole.values());
        whole.dispose();
      }
      run.dispose();
    }
  });

  it("saves within an epoch, and marks a best that a crash had left unmarked", async () => {
    const checkpoints = memoryStore();
    const run = tinyRun({ checkpoints, checkpointEverySteps: 3, epochs: 1 });
    await trainLoop(run.options);
    expect(checkpoints.saves).toBe(2);
    run.dispose();
    delete checkpoints.best;
    const again = tinyRun({ checkpoints, epochs: 1, resume: true });
    await trainLoop(again.options);
    expect(checkpoints.best).toBe(checkpoints.last);
    again.dispose();
  });

  it("reports progress and metrics with loss, rate and time left", async () => {
    const updates: ProgressUpdate[] = [];
    const records: MetricsRecord[] = [];
    const metrics = { write: (record: MetricsRecord) => void records.push(record) };
    const run = tinyRun({ epochs: 2, metrics, onProgress: (update) => updates.push(update) });
    await trainLoop(run.options);
    expect(updates.map(({ task, done, total }) => `${task}: ${done}/${total}`)).toEqual(
      [1, 2].flatMap((epoch) => [1, 2, 3, 4].map((step) => `epoch ${epoch} of 2: ${step}/4`)),
    );
    expect(updates[0]!.metrics!.rate).toBeGreaterThan(0);
    expect(updates[0]!.metrics!.secondsLeft).toBeGreaterThan(0);
    expect(updates.at(-1)!.metrics!.secondsLeft).toBe(0);
    expect(records.map(({ kind, epoch, step }) => [kind, epoch, step])).toEqual([
      ["epoch", 1, 4],
      ["epoch", 2, 8],
    ]);
    run.dispose();
  });

  it("stops on a loss that is not finite, without saving or leaking", async () => {
    const checkpoints = memoryStore();
    const gradients = () => ({ "fc2.weight": tf.zeros([4, 8]) });
    const run = tinyRun({ checkpoints, step: () => ({ loss: Number.NaN, gradients: gradients() }) });
    const before = tf.memory().numTensors;
    await expect(trainLoop(run.options)).rejects.toThrow("The loss became NaN in step 1 of epoch 1");
    expect(tf.memory().numTensors).toBe(before);
    expect(checkpoints.saves).toBe(0);
    run.dispose();
  });

  it("stops on a validation loss that is not finite", async () => {
    const checkpoints = memoryStore();
    const run = tinyRun({ checkpoints, validate: (epoch) => (epoch === 2 ? Number.NaN : 1) });
    await expect(trainLoop(run.options)).rejects.toThrow("The validation loss after epoch 2");
    expect(checkpoints.last!.position.epoch).toBe(1);
    run.dispose();
  });

  it("saves the finished steps when validation is cancelled", async () => {
    const checkpoints = memoryStore();
    const { VillaError } = await import("@villa/data");
    const validate = () => Promise.reject(new VillaError("Aborted", "stop"));
    const run = tinyRun({ checkpoints, validate });
    await expect(trainLoop(run.options)).rejects.toThrow("stop");
    expect(checkpoints.last!.position).toMatchObject({ epoch: 0, step: 4 });
    run.dispose();
  });

  it("refuses a checkpoint of another model or batch size, and settings without a step", async () => {
    const checkpoints = memoryStore();
    const controller = new AbortController();
    const first = tinyRun({
      checkpoints,
      signal: controller.signal,
      onProgress: ({ done }) => done === 3 && controller.abort(),
    });
    await trainLoop(first.options).catch(() => undefined);
    first.dispose();
    const other = tinyRun({ checkpoints, resume: true, batchSize: 11 });
    await expect(trainLoop(other.options)).rejects.toThrow("epochs have 2 steps");
    const variables = new Map([["unknown", tf.variable(tf.zeros([1]))]]);
    await expect(trainLoop({ ...other.options, variables })).rejects.toThrow('no "unknown"');
    await expect(trainLoop({ ...other.options, batchSize: 23 })).rejects.toThrow("22 examples make no batch of 23");
    tf.dispose([...variables.values()]);
    other.dispose();
  });
});

describe("epochBatches", () => {
  it("visits every example once, or drops the rest of a full batch", () => {
    const sizes = fc.record({ examples: fc.integer({ min: 1, max: 60 }), batchSize: fc.integer({ min: 1, max: 20 }) });
    fc.assert(
      fc.property(sizes, fc.boolean(), fc.nat(), ({ examples, batchSize }, dropLast, seed) => {
        fc.pre(!dropLast || examples >= batchSize);
        const options = { examples, batchSize, dropLast };
        const batches = epochBatches({ ...options, random: new RandomState(seed) });
        const seen = batches.flatMap((batch) => [...batch]);
        expect(new Set(seen).size).toBe(seen.length);
        expect(seen.length).toBe(dropLast ? examples - (examples % batchSize) : examples);
        expect(epochBatches({ ...options, random: new RandomState(seed) })).toEqual(batches);
      }),
    );
    const inOrder = epochBatches({ examples: 4, batchSize: 2, shuffle: false, random: new RandomState(0) });
    expect(inOrder.map((batch) => [...batch])).toEqual([
      [0, 1],
      [2, 3],
    ]);
  });

  it("takes as many passes as the steps asked for, without repeating an example within a batch", () => {
    const options = { examples: 7, batchSize: 3, stepsPerEpoch: 5, random: new RandomState(4) };
    const batches = epochBatches(options);
    expect(batches.map(({ length }) => length)).toEqual([3, 3, 3, 3, 3]);
    for (const batch of batches) expect(new Set(batch).size).toBe(3);
    for (const pass of [batches.slice(0, 2), batches.slice(2, 4)]) {
      expect(new Set(pass.flatMap((batch) => [...batch])).size).toBe(6);
    }
    expect(() => epochBatches({ ...options, stepsPerEpoch: 0 })).toThrow("whole number");
  });
});
