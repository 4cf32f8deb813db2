import * as tf from "@tensorflow/tfjs-core";
import { expectAllClose, tensorValues } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import { beforeAll, describe, expect, it } from "vitest";
import { contrastiveMicroBatch, infoNCE, l2Normalize, linear } from "../src/index.ts";

const rows = 12;

describe.each(testBackends())("contrastiveMicroBatch on $name", ({ activate }) => {
  beforeAll(activate);

  it.each([[[12]], [[6, 6]], [[5, 4, 3]], [Array<number>(12).fill(1)]])(
    "chunks of %j give the whole batch's loss and gradients",
    async (sizes) => {
      const parameters = new Map(
        ["first", "second", "unused"].map((name) => [
          name,
          tf.variable(tf.tensor2d(tensorValues(`micro:${name}`, [6, 6]), [6, 6])) as tf.Variable,
        ]),
      );
      const data = tf.tensor2d(tensorValues("micro:data", [rows, 6]), [rows, 6]);
      const text = tf.tidy(
        () => l2Normalize(tf.tensor2d(tensorValues("micro:text", [rows, 6]), [rows, 6])) as tf.Tensor2D,
      );
      const run = (parts: number[]) => {
        const starts = parts.map((_, i) => parts.slice(0, i).reduce((sum, size) => sum + size, 0));
        const chunks = parts.map((size, i) => ({ start: starts[i]!, size }));
        return contrastiveMicroBatch({
          chunks,
          parameters,
          embed: ({ start, size }) => {
            const hidden = tf.relu(linear(tf.slice(data, [start, 0], [size, 6]), parameters.get("first")!));
            return l2Normalize(linear(hidden, parameters.get("second")!)) as tf.Tensor2D;
          },
          loss: (embeddings) => infoNCE(embeddings, text, { temperature: 0.1 }),
        });
      };
      const whole = await run([rows]);
      const before = tf.memory().numTensors;
      const chunked = await run(sizes);
      expectAllClose([chunked.loss], [whole.loss], { rtol: 1e-6 });
      expect(Object.keys(chunked.gradients).sort()).toEqual(["first", "second"]);
      for (const [name, gradient] of Object.entries(whole.gradients)) {
        expectAllClose(await chunked.gradients[name]!.data(), await gradient.data(), {
          rtol: 1e-4,
          atol: 1e-6,
          label: name,
        });
      }
      tf.dispose(chunked.gradients);
      expect(tf.memory().numTensors).toBe(before);
      tf.dispose([whole.gradients, data, text, ...parameters.values()]);
    },
  );

  it("tells the two passes apart", async () => {
    const weight = tf.variable(tf.ones([3, 3]));
    const passes: string[] = [];
    const { gradients } = await contrastiveMicroBatch({
      chunks: [0, 1],
      parameters: new Map([["weight", weight]]),
      embed: (chunk, pass) => {
        passes.push(`${pass} ${chunk}`);
        return l2Normalize(
          tf.matMul(tf.slice(tf.eye(3), [chunk, 0], [1, 3]), weight as unknown as tf.Tensor2D),
        ) as tf.Tensor2D;
      },
      loss: (embeddings) => infoNCE(embeddings, embeddings, { temperature: 1 }),
    });
    expect(passes).toEqual(["embed 0", "embed 1", "differentiate 0", "differentiate 1"]);
    tf.dispose([gradients, weight]);
  });

  it("refuses an empty batch", async () => {
    const empty = { chunks: [], parameters: new Map(), embed: () => tf.zeros([0, 1]) as tf.Tensor2D, loss: tf.sum };
    await expect(contrastiveMicroBatch(empty)).rejects.toThrow("at least one chunk");
  });
});
