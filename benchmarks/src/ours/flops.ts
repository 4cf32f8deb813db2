import * as tf from "@tensorflow/tfjs-core";

type Shapes = readonly (readonly number[])[];

const product = (shape: readonly number[]): number => shape.reduce((all, side) => all * side, 1);

/** Operations of the kernels that do most of the arithmetic; every other kernel counts as one operation a value. */
const counters: Readonly<Record<string, (inputs: Shapes, outputs: Shapes) => number>> = {
  Conv2D: ([, filter], [out]) => convolution(filter!, out!),
  FusedConv2D: ([, filter], [out]) => convolution(filter!, out!),
  Conv2DBackpropInput: ([dy, filter]) => convolution(filter!, dy!),
  Conv2DBackpropFilter: ([, dy], [filter]) => convolution(filter!, dy!),
  BatchMatMul: ([a], [out]) => matrixProduct(a!, out!),
  _FusedMatMul: ([a], [out]) => matrixProduct(a!, out!),
  VillaTransformerBlock: ([x, ...weights], [out]) => {
    const matrices = weights.filter(({ length }) => length === 2);
    return product(out!) + 2 * x![0]! * matrices.reduce((sum, shape) => sum + product(shape), 0);
  },
};

function convolution([height, width, channels]: readonly number[], out: readonly number[]): number {
  return 2 * product(out) * height! * width! * channels!;
}

function matrixProduct(a: readonly number[], out: readonly number[]): number {
  const inner = product(a) / product(out.slice(0, -1));
  return 2 * product(out) * inner;
}

/** Floating point operations of some work, from the kernels it runs on the current backend. */
export async function countFlops(work: () => unknown): Promise<number> {
  let returned: unknown;
  const { kernels } = await tf.engine().profile(async () => {
    returned = await work();
    return [];
  });
  tf.dispose(returned as tf.TensorContainer);
  return kernels.reduce((sum, { name, inputShapes, outputShapes }) => {
    const outputs = (outputShapes as (number[] | null)[]).filter((shape) => shape !== null);
    const inputs = (inputShapes as (number[] | null)[]).filter((shape) => shape !== null);
    return sum + (counters[name]?.(inputs, outputs) ?? outputs.reduce((values, shape) => values + product(shape), 0));
  }, 0);
}
