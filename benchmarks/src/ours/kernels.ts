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
  return (await profile(work)).reduce((sum, { flops }) => sum + flops, 0);
}

/** Time and arithmetic of the kernels of one kind. */
export interface KernelTime {
  readonly kernel: string;
  readonly calls: number;
  readonly seconds: number;
  readonly flops: number;
}

/**
 * What some work's kernels take, longest first. Compiled graphs and plain JavaScript are no kernels: what is missing in the
 * sum is theirs.
 *
 * @param scale turns the work into the benchmark's unit
 */
export async function profileKernels(work: () => unknown, scale = 1): Promise<KernelTime[]> {
  const kinds = new Map<string, KernelTime>();
  for (const { kernel, seconds, flops } of await profile(work)) {
    const before = kinds.get(kernel) ?? { calls: 0, seconds: 0, flops: 0 };
    kinds.set(kernel, {
      kernel,
      calls: before.calls + scale,
      seconds: before.seconds + seconds * scale,
      flops: before.flops + flops * scale,
    });
  }
  return [...kinds.values()].sort((a, b) => b.seconds - a.seconds);
}

export const flopsOf = (kernels: readonly KernelTime[]): number => kernels.reduce((sum, { flops }) => sum + flops, 0);

/** The kernels that some work runs, one by one. */
async function profile(work: () => unknown): Promise<{ kernel: string; seconds: number; flops: number }[]> {
  let returned: unknown;
  const info = await tf.engine().profile(async () => {
    returned = await work();
    return [];
  });
  tf.dispose(returned as tf.TensorContainer);
  // The engine lists operations that are composed of kernels beside these: they would count twice.
  const registered = new Set(tf.getKernelsForBackend(tf.getBackend()).map(({ kernelName }) => kernelName));
  const kernels = info.kernels.filter(({ name }) => registered.has(name));
  return Promise.all(
    kernels.map(async ({ name, inputShapes, outputShapes, kernelTimeMs }) => {
      const outputs = (outputShapes as (number[] | null)[]).filter((shape) => shape !== null);
      const inputs = (inputShapes as (number[] | null)[]).filter((shape) => shape !== null);
      const flops = counters[name]?.(inputs, outputs) ?? outputs.reduce((values, shape) => values + product(shape), 0);
      return { kernel: kindOf(name, inputs), seconds: Number(await kernelTimeMs) / 1000, flops };
    }),
  );
}

/** Kernels of a convolution by the size of its filter; products with and without a bias are one kind. */
function kindOf(name: string, inputs: Shapes): string {
  if (name === "BatchMatMul" || name === "_FusedMatMul") return "matrix products";
  if (!name.includes("Conv2D")) return name;
  const filter = name === "Conv2DBackpropFilter" ? undefined : inputs[1];
  return `${name.replace(/^Fused/, "")}${filter ? ` ${filter[0]} × ${filter[1]}` : ""}`;
}
