import type * as tf from "@tensorflow/tfjs-core";
import { input, type KernelCall, type Override, onFloats, sizeOf } from "./register.ts";

/** The fused kernels that @villa/core's ops look for; their contract is on `FusedKernelName` there. */
export function registerFused(override: Override): void {
  override("VillaBatchNormTrain", onFloats(["x", "gamma", "beta"], batchNormTrain));
  override("VillaBatchNormTrainGrad", onFloats(["dy", "x", "y", "gamma", "mean", "inverseStd"], batchNormTrainGrad));
  override("VillaBatchNormInference", onFloats(["x", "scale", "shift"], batchNormInference));
  override("VillaSumRows", onFloats(["x"], sumRows));
  override("VillaAdamStep", onFloats(["parameter", "gradient", "mean", "meanSquare"], adamStep));
}

function batchNormTrain({ backend, inputs, attrs, space }: KernelCall): tf.TensorInfo[] {
  const x = input(inputs, "x");
  const [rows, channels] = x.shape as [number, number];
  const gamma = backend.valuesOf(input(inputs, "gamma"));
  const y = space.output(x.shape);
  const mean = space.output([channels]);
  const variance = space.output([channels]);
  const inverseStd = space.output([channels]);
  const xAt = space.pointer(x);
  const scratch = space.scratch(channels);
  space.simd.moments(xAt, mean.at, variance.at, scratch, rows, channels);
  const scale = space.view(scratch, channels);
  const deviations = space.view(inverseStd.at, channels);
  const variances = space.view(variance.at, channels);
  for (let c = 0; c < channels; c++) {
    const inverse = 1 / Math.sqrt(variances[c]! + (attrs.epsilon as number));
    deviations[c] = inverse;
    scale[c] = inverse * gamma[c]!;
  }
  const shift = space.pointer(input(inputs, "beta"));
  space.simd.affine(y.at, xAt, mean.at, scratch, shift, rows, channels, Number(Boolean(attrs.relu)));
  return [y.info, mean.info, variance.info, inverseStd.info];
}

function batchNormTrainGrad({ backend, inputs, attrs, space }: KernelCall): tf.TensorInfo[] {
  const x = input(inputs, "x");
  const [rows, channels] = x.shape as [number, number];
  const relu = Number(Boolean(attrs.relu));
  const dx = space.output(x.shape);
  const dgamma = space.output([channels]);
  const dbeta = space.output([channels]);
  const [dy, xAt, y, mean, inverseStd] = ["dy", "x", "y", "mean", "inverseStd"].map((name) =>
    space.pointer(input(inputs, name)),
  ) as [number, number, number, number, number];
  const scratch = space.scratch(channels * 3);
  space.simd.batchNormSums(dbeta.at, dgamma.at, dy, xAt, y, mean, inverseStd, scratch, rows, channels, relu);
  // dx = gamma·inverseStd·(dy − dbeta/rows − (x − mean)·inverseStd·dgamma/rows) = dy·p + (x − mean)·q + s
  const p = space.view(scratch, channels);
  const q = space.view(scratch + channels * 4, channels);
  const s = space.view(scratch + channels * 8, channels);
  const gamma = backend.valuesOf(input(inputs, "gamma"));
  const deviations = backend.valuesOf(input(inputs, "inverseStd"));
  const gammaSums = space.view(dgamma.at, channels);
  const betaSums = space.view(dbeta.at, channels);
  for (let c = 0; c < channels; c++) {
    const factor = gamma[c]! * deviations[c]!;
    p[c] = factor;
    q[c] = (-factor * deviations[c]! * gammaSums[c]!) / rows;
    s[c] = (-factor * betaSums[c]!) / rows;
  }
  space.simd.batchNormInputGrad(
    dx.at, dy, xAt, y, mean, p.byteOffset, q.byteOffset, s.byteOffset, rows, channels, relu,
  ); // biome-ignore format: one line of operands
  return [dx.info, dgamma.info, dbeta.info];
}

function batchNormInference({ inputs, attrs, space }: KernelCall): tf.TensorInfo {
  const x = input(inputs, "x");
  const [rows, channels] = x.shape as [number, number];
  const y = space.output(x.shape);
  const centre = space.scratch(channels);
  space.simd.fill(centre, channels, 0);
  const scale = space.pointer(input(inputs, "scale"));
  const shift = space.pointer(input(inputs, "shift"));
  space.simd.affine(y.at, space.pointer(x), centre, scale, shift, rows, channels, Number(Boolean(attrs.relu)));
  return y.info;
}

function sumRows({ inputs, space }: KernelCall): tf.TensorInfo {
  const x = input(inputs, "x");
  const [rows, channels] = x.shape as [number, number];
  const y = space.output([channels]);
  space.simd.sumColumns(y.at, space.pointer(x), space.scratch(channels), 1, rows, channels, 1);
  return y.info;
}

/**
 * Adam or AdamW in one pass. Updates in place, and returns nothing, when the three state tensors own their memory in the
 * heap alone; otherwise it returns new ones.
 */
function adamStep({ backend, inputs, attrs, space }: KernelCall): tf.TensorInfo[] {
  const state = ["parameter", "mean", "meanSquare"].map((name) => input(inputs, name));
  const alone = state.every((info) => backend.inHeap(backend.valuesOf(info)) && backend.refCount(info.dataId) === 1);
  const n = sizeOf(state[0]!);
  const outputs = alone ? [] : state.map((info) => copyOf(space, info, n));
  const [parameter, mean, meanSquare] = (
    alone ? state.map((info) => space.pointer(info)) : outputs.map((output) => output.at)
  ) as [number, number, number];
  const number = (name: string) => attrs[name] as number;
  const decay = number("learningRate") * number("weightDecay");
  space.simd.adamStep(
    parameter,
    space.pointer(input(inputs, "gradient")),
    mean,
    meanSquare,
    n,
    1 - number("beta1"),
    number("beta2"),
    1 - number("beta2"),
    number("epsilon"),
    number("learningRate") / number("biasCorrection1"),
    1 / Math.sqrt(number("biasCorrection2")),
    attrs.decoupled ? 0 : number("weightDecay"),
    attrs.decoupled ? 1 - decay : 1,
  );
  return outputs.map((output) => output.info);
}

function copyOf(space: KernelCall["space"], info: tf.TensorInfo, n: number): { info: tf.TensorInfo; at: number } {
  const copy = space.output(info.shape);
  space.view(copy.at, n).set(space.backend.valuesOf(info) as Float32Array);
  return copy;
}
