import * as tf from "@tensorflow/tfjs-core";
import { float32ToFloat16 } from "@villa/data";
import { type Program, registerHalfProducts, type WebGpuBackend } from "./half-products.ts";

const webgpu = "webgpu";

/** What is known of a buffer that holds words of two halves each, the first in the lower bits. */
interface Stored {
  /** How many halves count. */
  readonly size: number;
  /** What they are multiplied with, a power of two. */
  readonly factor: number;
}

/** By the tensors' dataId. */
const stored = new WeakMap<object, Stored>();

/** A tensor's largest value is scaled to between 2¹⁴ and 2¹⁵; the largest half is 65504. */
const targetExponent = 15;
/** Of float32 numbers that no device takes for zero. */
const smallestExponent = -126;

/**
 * Registers `VillaHalves` with TF.js's WebGPU backend, and what reads tensors that it made. TF.js itself has no halves, but
 * WGSL's `unpack2x16float` widens them on every device, whether or not it has `shader-f16`, which is needed only to compute
 * with them.
 *
 * To the engine such a tensor is of float32. Products and convolutions with it as their second operand read the halves;
 * rows of it stay halves; every other operation gets it widened, for as long as it takes.
 */
export function useWebGpuHalves(): void {
  if (tf.getKernel("VillaHalves", webgpu)) return;
  tf.registerKernel({
    kernelName: "VillaHalves",
    backendName: webgpu,
    kernelFunc: ({ inputs, backend }) => store(inputs.x as tf.Tensor, prepared(backend as WebGpuBackend)),
  });
  registerHalfProducts(halvesOf);
  for (const name of Object.keys(rowsTaken) as (keyof typeof rowsTaken)[]) keepHalves(name);
}

/** A tensor's buffer as words, if it holds halves. */
function halvesOf({ dataId, dtype }: tf.TensorInfo) {
  const own = dtype === "float32" ? stored.get(dataId) : undefined;
  if (!own) return undefined;
  // As int32, which its buffer is: so it is not widened on the way to a program.
  const words: tf.TensorInfo = { dataId, dtype: "int32", shape: [Math.ceil(own.size / 2)] };
  return { words, ...own };
}

/** @param x not yet on the device @returns a tensor of the same shape whose buffer holds halves */
function store(x: tf.Tensor, backend: WebGpuBackend): tf.TensorInfo {
  const values = backend.readSync(x.dataId) as Float32Array;
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  // A power of two, so that values which are halves already are stored exactly, and none becomes infinite.
  const factor = largest > 0 ? 2 ** Math.max(smallestExponent, Math.ceil(Math.log2(largest)) - targetExponent) : 1;
  const halves = new Uint16Array(values.length + (values.length % 2));
  halves.set(float32ToFloat16(values.map((value) => value / factor)));
  const words = new Int32Array(halves.buffer);
  const dataId = backend.write(words, [words.length], "int32");
  backend.uploadToGPU(dataId);
  stored.set(dataId, { size: x.size, factor });
  return { dataId, shape: x.shape, dtype: "float32" };
}

const readers = new WeakSet<WebGpuBackend>();

/** Makes a backend's programs and reads see halves widened. */
function prepared(backend: WebGpuBackend): WebGpuBackend {
  if (readers.has(backend)) return backend;
  readers.add(backend);
  const run = backend.runWebGPUProgram.bind(backend);
  const widened = (tensor: tf.TensorInfo): tf.TensorInfo | undefined => {
    const halves = halvesOf(tensor);
    if (!halves) return undefined;
    const factor = [{ type: "float32", data: [halves.factor] }];
    const { dataId } = run(wideningProgram(halves.size), [halves.words], "float32", factor);
    return { dataId, shape: tensor.shape, dtype: "float32" };
  };
  backend.runWebGPUProgram = (program, inputs, ...rest) => {
    const own = inputs.map(widened);
    const output = run(program, inputs.map((input, index) => own[index] ?? input), ...rest); // biome-ignore format: one call
    for (const tensor of own) if (tensor) backend.disposeData(tensor.dataId);
    return output;
  };
  const { read, readSync } = backend;
  const reading = <T>(dataId: object, through: (dataId: object) => T): T => {
    const wide = widened({ dataId, shape: [], dtype: "float32" });
    if (!wide) return through.call(backend, dataId);
    const values = through.call(backend, wide.dataId);
    const release = () => backend.disposeData(wide.dataId);
    if (values instanceof Promise) values.then(release, release);
    else release();
    return values;
  };
  backend.read = (dataId) => reading(dataId, read);
  backend.readSync = (dataId) => reading(dataId, readSync);
  return backend;
}

function wideningProgram(size: number): Program {
  return {
    ...flatProgram(size),
    variableNames: ["words"],
    uniforms: "factor : f32,",
    shaderKey: "villaWiden",
    getUserCode: () => `
      fn main(index : i32) {
        if (index < uniforms.size) {
          let pair = unpack2x16float(bitcast<u32>(words[index / 2]));
          result[index] = uniforms.factor * select(pair.x, pair.y, index % 2 == 1);
        }
      }`,
  };
}

/** Has kernels that take whole rows out of halves copy their words. */
function keepHalves(name: keyof typeof rowsTaken): void {
  const stock = tf.getKernel(name, webgpu);
  if (!stock) return;
  tf.unregisterKernel(name, webgpu);
  tf.registerKernel({
    ...stock,
    kernelFunc(params) {
      const x = params.inputs.x as tf.TensorInfo;
      const width = tf.util.sizeFromShape(x.shape.slice(1));
      const halves = width % 2 === 0 && x.shape.length > 1 ? halvesOf(x) : undefined;
      const taken = halves && rowsTaken[name](x, params);
      if (!taken) return stock.kernelFunc(params);
      const outputs = taken.map(({ shape, first, rows }): tf.TensorInfo => {
        const count = tf.util.sizeFromShape([...shape]);
        const size = (count * width) / 2;
        const { words } = halves;
        const inputs = rows ? [words, { dataId: rows.dataId, dtype: rows.dtype, shape: [count] }] : [words];
        const places = [width / 2, first].map((value) => ({ type: "int32", data: [value] }));
        const program = rowsProgram(size, rows !== undefined);
        const { dataId } = (params.backend as WebGpuBackend).runWebGPUProgram(program, inputs, "int32", places);
        stored.set(dataId, { size: 2 * size, factor: halves.factor });
        return { dataId, shape: [...shape, ...x.shape.slice(1)], dtype: "float32" };
      });
      return name === "SplitV" ? outputs : outputs[0]!;
    },
  });
}

/** Rows that a kernel takes for an output: those from the first on, or those of the numbers in a tensor. */
interface TakenRows {
  /** How many, as the output's first axes. */
  readonly shape: readonly number[];
  readonly first: number;
  readonly rows?: tf.TensorInfo | undefined;
}

type RowsTaken = (x: tf.TensorInfo, params: Parameters<tf.KernelFunc>[0]) => readonly TakenRows[] | undefined;

/** By kernel; undefined where it takes more than whole rows, and in order. */
const rowsTaken: Readonly<Record<"Slice" | "SplitV" | "GatherV2", RowsTaken>> = {
  Slice(x, { attrs }) {
    const { begin, size } = attrs as { begin: number | number[]; size: number | number[] };
    const [begins, sizes] = tf.slice_util.parseSliceParams(x as tf.Tensor, begin, size) as [number[], number[]];
    const isWhole = x.shape.every((side, axis) => axis === 0 || sizes[axis] === side);
    return isWhole ? [{ shape: [sizes[0]!], first: begins[0]! }] : undefined;
  },
  SplitV(x, { attrs }) {
    const { numOrSizeSplits, axis } = attrs as { numOrSizeSplits: number | number[]; axis: number };
    if (axis !== 0) return undefined;
    let first = 0;
    return tf.backend_util.prepareSplitSize(x as tf.Tensor, numOrSizeSplits, axis).map((count) => {
      first += count;
      return { shape: [count], first: first - count };
    });
  },
  GatherV2(_, { inputs, attrs }) {
    const { axis, batchDims } = attrs as { axis: number; batchDims: number };
    const rows = inputs.indices as tf.TensorInfo;
    return axis === 0 && batchDims === 0 ? [{ shape: rows.shape, first: 0, rows }] : undefined;
  },
};

function rowsProgram(size: number, numbered: boolean): Program {
  return {
    ...flatProgram(size),
    variableNames: numbered ? ["words", "rows"] : ["words"],
    uniforms: "width : i32, first : i32,",
    shaderKey: `villaRows_${numbered}`,
    getUserCode: () => `
      fn main(index : i32) {
        if (index < uniforms.size) {
          let row = index / uniforms.width;
          let source = ${numbered ? "rows[row]" : "uniforms.first + row"};
          result[index] = words[source * uniforms.width + index % uniforms.width];
        }
      }`,
  };
}

/** What programs have in common whose every thread makes one of so many values. */
function flatProgram(size: number) {
  return {
    outputShape: [size],
    dispatchLayout: { x: [0] },
    dispatch: [Math.ceil(size / 64), 1, 1] as [number, number, number],
    workgroupSize: [64, 1, 1] as [number, number, number],
    size: true,
  };
}
