import * as tf from "@tensorflow/tfjs-core";
import { Adam, infoNCE, l2Normalize, lossAndGradients } from "@villa/core";
import { expectAllClose, expectSummary, type Summary, tensorValues } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { EncoderFiles } from "../src/index.ts";
import {
  bertFamily,
  clipTextFamily,
  openClipTextFamily,
  siglipTextFamily,
  type TextEncoderFamily,
} from "../src/text/families.ts";
import type { TextEncoder } from "../src/text/text-encoder.ts";
import { textCases, textFiles } from "./golden-texts.ts";

const families: Readonly<Record<string, TextEncoderFamily>> = {
  bert: bertFamily,
  clip: clipTextFamily,
  siglip: siglipTextFamily,
  openclip: openClipTextFamily,
};

/** The family that knows the files; no other may. */
async function familyOf(files: EncoderFiles): Promise<TextEncoderFamily> {
  const names = Object.keys(families);
  const found = await Promise.all(names.map((name) => families[name]!.recognise(files)));
  const known = names.filter((_, i) => found[i]);
  expect(known).toHaveLength(1);
  return families[known[0]!]!;
}

// WebGPU computes with less exact divisions and square roots.
const toleranceOf = (backend: string) => (backend === "webgpu" ? 1e-3 : 1e-4);

describe.each(testBackends())("on $name", ({ name, activate }) => {
  beforeAll(() => activate());
  const tolerance = toleranceOf(name);

  describe.each(textCases)("$kind $salt", (each) => {
    let encoder: TextEncoder;
    let trained: TextEncoder;
    beforeAll(async () => {
      const files = textFiles(each);
      const family = await familyOf(files);
      encoder = await family.load({ files });
      trained = await family.load({ files, trainable: true });
    });
    afterAll(() => {
      encoder.dispose();
      trained.dispose();
    });

    test("tokens", () => {
      expect(each.texts.map((text) => encoder.tokenizer.encode(text))).toEqual(each.tokens);
    });

    test("features", async () => {
      const before = tf.memory().numTensors;
      const rows = await encoder.encodeText(each.texts);
      const width = encoder.embedDim;
      expect(rows.length).toBe(each.texts.length * width);
      each.features.forEach((row, i) => {
        expectSummary(rows.subarray(i * width, (i + 1) * width), row, tolerance, `"${each.texts[i]}"`);
      });
      expect(tf.memory().numTensors).toBe(before);
    });

    test("loss, gradients and weights of three steps", async () => {
      const { texts, losses, gradients, weights } = each.training;
      const tokens = each.tokens.slice(0, texts);
      const parameters = trained.tower.trainableVariables();
      const shape: [number, number] = [texts, trained.embedDim];
      const targets = l2Normalize(tf.tensor2d(tensorValues(`${each.salt}:targets`, shape), shape));
      const optimizer = new Adam({ parameters, learningRate: 1e-3, adamEpsilon: 1e-4 });
      const objective = () => infoNCE(l2Normalize(trained.tower.encodeTokens(tokens)), targets, { temperature: 0.07 });
      for (const [step, expected] of losses.entries()) {
        const before = tf.memory().numTensors;
        const result = await lossAndGradients(objective, parameters);
        expectAllClose([result.loss], [expected], { rtol: tolerance, label: `loss ${step}` });
        if (step === 0) {
          expect(Object.keys(result.gradients).sort()).toEqual(Object.keys(gradients).sort());
          for (const [name, gradient] of Object.entries(gradients)) {
            await expectGradient(await result.gradients[name]!.data(), gradient, gradients, name);
          }
        }
        optimizer.step(result.gradients);
        tf.dispose(result.gradients);
        if (step > 0) expect(tf.memory().numTensors).toBe(before);
      }
      for (const [name, weight] of Object.entries(weights)) {
        expectSummary(await parameters.get(name)!.data(), weight, tolerance, name);
      }
      optimizer.dispose();
      targets.dispose();
    });
  });

  /** Gradients that are zero but for rounding are compared on the scale of the others. */
  async function expectGradient(
    values: ArrayLike<number>,
    expected: Summary,
    all: Readonly<Record<string, Summary>>,
    label: string,
  ): Promise<void> {
    const largest = Math.max(...Object.values(all).map(({ l2 }) => l2));
    const actualNorm = Math.sqrt(Array.from(values).reduce((sum, value) => sum + value * value, 0));
    if (expected.l2 < 1e-6 * largest) expect(actualNorm, label).toBeLessThan(1e-5 * largest);
    else expectSummary(values, expected, tolerance, label);
  }
});
