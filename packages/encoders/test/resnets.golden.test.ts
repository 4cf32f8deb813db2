import * as tf from "@tensorflow/tfjs-core";
import { Adam, infoNCE, l2Normalize, lossAndGradients } from "@villa/core";
import type { TensorData } from "@villa/data";
import { bytes, expectAllClose, expectSummary, golden, type Summary, tensorValues } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import { namedStateDict, nchwToNhwc, nhwcToNchw } from "@villa/testing/clip-weights";
import { beforeAll, describe, expect, test } from "vitest";
import { groupRegions, loadClip, type ModifiedResNetConfig } from "../src/index.ts";

interface ResNetCase {
  kind: string;
  salt: string;
  config: {
    vision_layers: [number, number, number, number];
    vision_width: number;
    embed_dim: number;
    image_resolution: number;
  };
  whole: Summary;
  size: [number, number];
  map: Summary;
  boxes: number[][];
  regions: Summary;
  training: {
    learning_rate: number;
    epsilon: number;
    temperature: number;
    losses: number[];
    grads: Record<string, Summary>;
    after: Record<string, Summary>;
  };
}

const { cases } = golden().json<{ cases: ResNetCase[] }>("resnets.json");

function configOf({ config }: ResNetCase): ModifiedResNetConfig {
  const { vision_layers: layers, vision_width: width, embed_dim: embedDim, image_resolution: side } = config;
  return { layers, width, embedDim, heads: width / 2, gridSize: side / 32 };
}

/** The rules of `tower` in tools/golden/resnets.py: norms with a ReLU of their own keep clear of its kink. */
function weightsOf(golden: ResNetCase): Map<string, TensorData> {
  const weights = namedStateDict(golden.salt, { vision: configOf(golden) });
  for (const [name, tensor] of weights) {
    if (!name.endsWith("bias") || name.includes("attnpool") || /layer.*\.bn3/.test(name)) continue;
    weights.set(name, { ...tensor, data: (tensor.data as Float32Array).map((value) => value + 2) });
  }
  return weights;
}

function images(name: string, count: number, [height, width]: readonly [number, number]): tf.Tensor4D {
  const pixels = nchwToNhwc(bytes(name, count * 3 * height * width), [count, 3, height, width]);
  return tf.tensor4d(
    pixels.map((value) => value / 255),
    [count, height, width, 3],
  );
}

/** Values in the order of torch's layout. */
function torchValues(tensor: tf.Tensor): Float32Array {
  return tf.tidy(() => (tensor.rank === 4 ? tf.transpose(tensor, [3, 2, 0, 1]) : tensor).dataSync() as Float32Array);
}

describe.each(testBackends())("on $name", ({ name, activate }) => {
  beforeAll(activate);
  const tolerance = name === "webgpu" ? 1e-3 : 1e-4;

  // Training the deeper three takes the plain cpu backend half a minute.
  const trains = ({ kind }: ResNetCase) => name !== "cpu" || kind === "RN50x4";

  describe.each(cases)("$kind", (golden) => {
    const config = configOf(golden);
    const weights = weightsOf(golden);

    test.each([true, false])("sizes, whole images, maps and regions, frozen %s", async (inference) => {
      const model = loadClip(weights, { inference, only: "image" });
      const { visual } = model;
      expect(visual.config).toEqual(config);
      const side = golden.config.image_resolution;
      const whole = images(`${golden.salt}:whole`, 1, [side, side]);
      const input = images(`${golden.salt}:regions`, 1, golden.size);
      expectSummary(await visual.encodeImage(whole).data(), golden.whole, tolerance, "whole image");
      const features = visual.features(input);
      expectSummary(nhwcToNchw(await features.data(), features.shape), golden.map, tolerance, "map");
      const regions = visual.regionEmbeddings(features, groupRegions([golden.boxes], golden.size[1]));
      expectSummary(await regions.data(), golden.regions, tolerance, "regions");
      tf.dispose([whole, input, features, regions]);
      model.dispose();
    });

    test.runIf(trains(golden))("losses, gradients, weights and statistics after three steps", async () => {
      const { training } = golden;
      const model = loadClip(weights);
      const { visual } = model;
      const optimizer = new Adam({
        parameters: visual.trainableVariables(),
        learningRate: training.learning_rate,
        weightDecay: 0,
        adamEpsilon: training.epsilon,
      });
      for (const [step, expected] of training.losses.entries()) {
        const input = images(`${golden.salt}:train:${step}`, 2, golden.size);
        const regions = groupRegions([golden.boxes.slice(0, 1), golden.boxes.slice(1)], golden.size[1]);
        const { loss, gradients } = await lossAndGradients(() => {
          const features = visual.features(input, { training: true });
          const rows = l2Normalize(visual.regionEmbeddings(features, regions, { training: true }));
          const text = tf.tensor2d(tensorValues(`${golden.salt}:text:${step}`, rows.shape), rows.shape);
          return infoNCE(rows, l2Normalize(text), { temperature: training.temperature });
        }, visual.trainableVariables());
        expectAllClose([loss], [expected], { rtol: tolerance, label: `loss of step ${step}` });
        for (const [parameter, summary] of Object.entries(step === 0 ? training.grads : {})) {
          expectSummary(torchValues(gradients[parameter]!), summary, tolerance, `gradient of ${parameter}`);
        }
        optimizer.step(gradients);
        tf.dispose([gradients, input]);
      }
      for (const [parameter, summary] of Object.entries(training.after)) {
        expectSummary(torchValues(visual.parameters.get(parameter)!), summary, tolerance, `${parameter} afterwards`);
      }
      optimizer.dispose();
      model.dispose();
    });
  });
});
