import * as tf from "@tensorflow/tfjs-core";
import { expectAllClose, expectSummary, golden, type Summary, tensorValues } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import { beforeAll, describe, expect, it } from "vitest";
import { Adam, AdamW, EarlyStopping, ReduceLROnPlateau, roiAlign } from "../src/index.ts";
import { toleranceOf } from "./tolerance.ts";

interface RoiCase {
  input: string;
  boxes: number[][];
  output_size: number;
  spatial_scale: number;
  aligned: boolean;
  sampling_ratio: number;
  output: number[] | Summary;
  grad_weights: string;
  grad_input: number[] | Summary;
}
interface OptimizerCase {
  name: "Adam" | "AdamW";
  kwargs: {
    lr: number;
    weight_decay?: number | undefined;
    betas?: [number, number] | undefined;
    eps?: number | undefined;
  };
  start: number[];
  grads: string;
  trajectory: number[][];
}
interface PlateauCase {
  val_losses: number[];
  lr_after: number[];
  best_saved_at: number[];
  early_stop_after_epoch_index: number | null;
}

const { json } = golden();
interface TrainingFile {
  roi_align?: RoiCase[] | undefined;
  optimizers?: OptimizerCase[] | undefined;
  plateau?: PlateauCase[] | undefined;
}

const { roi_align = [], optimizers = [], plateau = [] } = json<TrainingFile>("training.json");

describe.each(roi_align.length + optimizers.length > 0 ? testBackends() : [])(
  "golden training values on $name",
  ({ name: backend, activate }) => {
    beforeAll(activate);

    it.each(roi_align)("roiAlign $input", async (roi) => {
      const [, name, dims] = /^unit\('(.+)', \[(.+)\]\)/.exec(roi.input)!;
      const shape = dims!.split(",").map(Number) as [number, number, number, number];
      const features = tf.tidy(() => toNhwc(tf.tensor4d(tensorValues(name!, shape), shape)));
      const boxes = roi.boxes.flatMap((box) => box.slice(1));
      const imageIndex = roi.boxes.map((box) => box[0]!);
      const options = {
        outputSize: roi.output_size,
        spatialScale: roi.spatial_scale,
        aligned: roi.aligned,
        samplingRatio: roi.sampling_ratio,
      };
      const before = tf.memory().numTensors;
      const [output, gradient] = tf.tidy(() => {
        const align = (x: tf.Tensor) => roiAlign(x as tf.Tensor4D, boxes, imageIndex, options);
        const output = toNchw(align(features));
        const weightName = /^unit\('(.+)',/.exec(roi.grad_weights)![1]!;
        const upstream = toNhwc(tf.tensor4d(tensorValues(weightName, output.shape), output.shape));
        return [output, toNchw(tf.grad(align)(features, upstream) as tf.Tensor4D)];
      });
      await expectClose(output!, roi.output, backend, "output");
      await expectClose(gradient!, roi.grad_input, backend, "gradient");
      tf.dispose([output!, gradient!]);
      expect(tf.memory().numTensors).toBe(before);
      features.dispose();
    });

    it.each(optimizers)("$name follows torch's trajectory", async ({ name, kwargs, start, grads, trajectory }) => {
      const parameter = tf.variable(tf.tensor1d(start));
      const prefix = /'(.+)'\+step/.exec(grads)![1]!;
      const Optimizer = { Adam, AdamW }[name];
      const optimizer = new Optimizer({
        parameters: new Map([["p", parameter]]),
        learningRate: kwargs.lr,
        weightDecay: kwargs.weight_decay,
        betas: kwargs.betas,
        adamEpsilon: kwargs.eps,
      });
      for (const [step, expected] of trajectory.entries()) {
        const gradient = tf.tensor1d(tensorValues(`${prefix}${step}`, [start.length]));
        optimizer.step({ p: gradient });
        gradient.dispose();
        expectAllClose(await parameter.data(), expected, { ...toleranceOf(backend), label: `${name} step ${step}` });
      }
      optimizer.dispose();
      parameter.dispose();
    });
  },
);

it.each(plateau)("plateau, best saves and early stop of $val_losses", (schedule) => {
  const optimizer = { learningRate: 5e-5 };
  const scheduler = new ReduceLROnPlateau({ optimizer });
  const stopping = new EarlyStopping(5);
  const rates: number[] = [];
  const best: number[] = [];
  let stoppedAfter: number | null = null;
  for (const [epoch, loss] of schedule.val_losses.entries()) {
    if (stopping.step(loss, epoch + 1)) best.push(epoch);
    scheduler.step(loss);
    rates.push(optimizer.learningRate);
    if (stopping.stopped) {
      stoppedAfter = epoch;
      break;
    }
  }
  expectAllClose(rates, schedule.lr_after, { rtol: 1e-12, atol: 0 });
  expect(best).toEqual(schedule.best_saved_at);
  expect(stoppedAfter).toBe(schedule.early_stop_after_epoch_index);
});

async function expectClose(tensor: tf.Tensor, expected: number[] | Summary, backend: string, label: string) {
  const values = await tensor.data();
  const tolerance = toleranceOf(backend);
  if (Array.isArray(expected)) expectAllClose(values, expected.flat(9), { ...tolerance, label });
  else expectSummary(values, expected, tolerance.rtol, label);
}

function toNhwc(x: tf.Tensor4D): tf.Tensor4D {
  return tf.transpose(x, [0, 2, 3, 1]);
}

function toNchw(x: tf.Tensor4D): tf.Tensor4D {
  return tf.transpose(x, [0, 3, 1, 2]);
}
