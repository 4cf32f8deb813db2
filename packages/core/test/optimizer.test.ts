import * as tf from "@tensorflow/tfjs-core";
import { tensorValues } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import { beforeAll, describe, expect, it } from "vitest";
import { Adam, AdamW } from "../src/index.ts";

const shape = [5, 7];
const gradient = (step: number, name: string) => tf.tensor(tensorValues(`g:${step}:${name}`, shape), shape);
const newParameters = () =>
  new Map(["a", "b"].map((name) => [name, tf.variable(tf.tensor(tensorValues(`p:${name}`, shape), shape))] as const));
const free = (parameters: ReadonlyMap<string, tf.Variable>) => tf.dispose([...parameters.values()]);

describe.each(testBackends())("optimisers on $name", ({ activate }) => {
  beforeAll(activate);

  it.each([
    ["Adam", Adam],
    ["AdamW", AdamW],
  ] as const)("%s continues bit for bit from its state", async (_, Optimizer) => {
    const values = async (parameters: ReadonlyMap<string, tf.Variable>) =>
      Promise.all([...parameters.values()].map(async (each) => Array.from(await each.data())));
    const run = (optimizer: Adam, from: number, to: number) => {
      for (let step = from; step < to; step++) {
        // "b" gets a gradient in every other step only: its bias correction lags behind, as torch's does
        const gradients: Record<string, tf.Tensor> = { a: gradient(step, "a") };
        if (step % 2) gradients.b = gradient(step, "b");
        optimizer.step(gradients);
        tf.dispose(gradients);
      }
    };
    const options = { learningRate: 0.01, weightDecay: 0.1 };
    const whole = newParameters();
    const straight = new Optimizer({ parameters: whole, ...options });
    run(straight, 0, 6);

    const split = newParameters();
    const first = new Optimizer({ parameters: split, ...options });
    run(first, 0, 3);
    first.learningRate = 0.01;
    const state = await first.state();
    first.dispose();
    const second = new Optimizer({ parameters: split, ...options, learningRate: 1 });
    second.loadState(state);
    expect(second.learningRate).toBe(0.01);
    run(second, 3, 6);

    expect(await values(split)).toEqual(await values(whole));
    straight.dispose();
    second.dispose();
    free(whole);
    free(split);
  });

  it("a snapshot of a parameter does not change with the parameter", async () => {
    const parameters = newParameters();
    const optimizer = new AdamW({ parameters, learningRate: 0.1 });
    const snapshot = tf.clone(parameters.get("a")!);
    const before = Array.from(await snapshot.data());
    const gradients = { a: gradient(0, "a") };
    optimizer.step(gradients);
    expect(Array.from(await snapshot.data())).toEqual(before);
    expect(Array.from(await parameters.get("a")!.data())).not.toEqual(before);
    optimizer.dispose();
    free(parameters);
    tf.dispose([snapshot, gradients.a]);
  });

  it("memory stays flat over 1000 steps", () => {
    const parameters = newParameters();
    const optimizer = new Adam({ parameters, learningRate: 1e-3, weightDecay: 0.2 });
    const step = (index: number) => {
      const gradients = { a: gradient(index % 3, "a"), b: gradient(index % 3, "b") };
      optimizer.step(gradients);
      tf.dispose(gradients);
    };
    step(0);
    const { numTensors, numBytes, numDataBuffers } = tf.memory();
    for (let index = 0; index < 1000; index++) step(index);
    expect(tf.memory()).toMatchObject({ numTensors, numBytes, numDataBuffers });
    optimizer.dispose();
    free(parameters);
  });

  it("refuses gradients and states of other parameters", async () => {
    const parameters = newParameters();
    const optimizer = new Adam({ parameters, learningRate: 1e-3 });
    const wrong = tf.zeros([2]);
    expect(() => optimizer.step({ c: wrong })).toThrow('"c"');
    expect(() => optimizer.step({ a: wrong })).toThrow("shape [2]");
    const empty = { learningRate: 1, steps: { a: 1 }, tensors: new Map() };
    expect(() => optimizer.loadState(empty)).toThrow('"a" does not fit');
    wrong.dispose();
    free(parameters);
  });
});
