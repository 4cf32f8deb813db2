import * as tf from "@tensorflow/tfjs-core";
import { type ConvInfo, convInfo } from "../convolution.ts";

const webgpu = "webgpu";

/** A shader as TF.js's WebGPU backend takes it: the inputs are arrays by these names, the output is `result`. */
export interface Program {
  readonly variableNames: string[];
  readonly outputShape: number[];
  readonly dispatchLayout: { x: number[]; y?: number[]; z?: number[] };
  readonly dispatch: [number, number, number];
  readonly workgroupSize: [number, number, number];
  readonly shaderKey: string;
  /** Whether it needs `uniforms.size`. */
  readonly size?: boolean;
  /** Members of `uniforms`, each followed by a comma. */
  readonly uniforms: string;
  getUserCode(): string;
}

/** What is used of TF.js's WebGPU backend. */
export interface WebGpuBackend extends tf.KernelBackend {
  write(values: tf.backend_util.TypedArray, shape: number[], dtype: tf.DataType): object;
  uploadToGPU(dataId: object): void;
  runWebGPUProgram(
    program: Program,
    inputs: readonly tf.TensorInfo[],
    dtype: tf.DataType,
    uniforms?: readonly { readonly type: string; readonly data: readonly number[] }[],
    output?: tf.TensorInfo,
  ): tf.TensorInfo;
}

/** The words of a tensor of halves, and what the halves are multiplied with; undefined for other tensors. */
type HalvesOf = (tensor: tf.TensorInfo) => { readonly words: tf.TensorInfo; readonly factor: number } | undefined;

/** Has products and convolutions whose second operand is stored in halves computed from these. */
export function registerHalfProducts(halvesOf: HalvesOf): void {
  for (const name of ["BatchMatMul", "_FusedMatMul", "Conv2D", "FusedConv2D"]) {
    const stock = tf.getKernel(name, webgpu);
    if (!stock) continue;
    const isConvolution = name.endsWith("Conv2D");
    tf.unregisterKernel(name, webgpu);
    tf.registerKernel({
      ...stock,
      kernelFunc(params) {
        const { a, b, x, filter, ...rest } = params.inputs as Record<string, tf.TensorInfo>;
        const halves = halvesOf((isConvolution ? filter : b)!);
        const attrs = params.attrs ?? {};
        const product = halves && (isConvolution ? convolution(x!, filter!, attrs) : matrixProduct(a!, b!, attrs));
        const ending = product && endingOf(product, rest, attrs);
        if (!ending) return stock.kernelFunc(params);
        return run(params.backend as WebGpuBackend, { ...product, ...ending, ...halves, input: x ?? a! });
      },
    });
  }
}

/** A product as the shader does it, [batch, rows, inner] · [batch, inner, columns]: a convolution's rows are pixels. */
interface Product {
  readonly batch: number;
  readonly rows: number;
  readonly columns: number;
  readonly inner: number;
  readonly outputShape: readonly number[];
  /** The second operand is [columns, inner], as torch stores it. */
  readonly transposed: boolean;
  /** Values from one matrix of the second operand to the next; 0 where all of the batch share one. */
  readonly weightStride: number;
  readonly pixels?: ConvInfo | undefined;
}

function matrixProduct(a: tf.TensorInfo, b: tf.TensorInfo, attrs: tf.NamedAttrMap): Product | undefined {
  if (attrs.transposeA) return undefined;
  const transposed = Boolean(attrs.transposeB);
  const [outer, weightOuter] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  const shared = tf.util.sizeFromShape(weightOuter) === 1;
  if (!shared && !tf.util.arraysEqual(outer, weightOuter)) return undefined;
  const [rows, inner] = a.shape.slice(-2) as [number, number];
  const columns = b.shape.at(transposed ? -2 : -1)!;
  if (inner !== b.shape.at(transposed ? -1 : -2) || weightOuter.length > outer.length) return undefined;
  const outputShape = [...outer, rows, columns];
  const count = tf.util.sizeFromShape(outer);
  const [batch, together] = shared ? [1, count * rows] : [count, rows];
  return { batch, rows: together, columns, inner, outputShape, transposed, weightStride: shared ? 0 : inner * columns };
}

function convolution(x: tf.TensorInfo, filter: tf.TensorInfo, attrs: tf.NamedAttrMap): Product | undefined {
  const pixels = convInfo(x.shape, filter.shape, attrs);
  if (!pixels) return undefined;
  const { batchSize, outHeight, outWidth, outChannels, inChannels, filterHeight, filterWidth } = pixels;
  return {
    batch: 1,
    rows: batchSize * outHeight * outWidth,
    columns: outChannels,
    inner: filterHeight * filterWidth * inChannels,
    outputShape: [batchSize, outHeight, outWidth, outChannels],
    transposed: false,
    weightStride: 0,
    pixels,
  };
}

interface Ending {
  readonly bias?: tf.TensorInfo | undefined;
  readonly relu: boolean;
}

/** What follows on the sums; undefined where the shader does not have it. */
function endingOf(
  { rows, columns }: Product,
  { bias, preluActivationWeights }: Record<string, tf.TensorInfo | undefined>,
  { activation = "linear" }: tf.NamedAttrMap,
): Ending | undefined {
  if (preluActivationWeights || (activation !== "linear" && activation !== "relu")) return undefined;
  if (bias && (bias.shape.at(-1) !== columns || tf.util.sizeFromShape(bias.shape) !== columns)) return undefined;
  if (rows > tile * mostTiles) return undefined;
  return { bias, relu: activation === "relu" };
}

/** A workgroup of 8 × 8 computes this many rows and columns. */
const tile = 32;
/** WebGPU's default for workgroups in a direction. */
const mostTiles = 65_535;

/** What a result without ReLU is at least. */
const smallestFloat = -3.4028234663852886e38;

interface HalfProduct extends Product, Ending {
  readonly input: tf.TensorInfo;
  readonly words: tf.TensorInfo;
  readonly factor: number;
}

function run(backend: WebGpuBackend, product: HalfProduct): tf.TensorInfo {
  const { batch, rows, columns, inner, weightStride, pixels, factor, input, words, bias } = product;
  const layout = pixels ? layoutOf(pixels) : {};
  const whole = { rows, columns, inner, weightStride, ...layout };
  const uniforms = [
    { type: "float32", data: [factor] },
    { type: "float32", data: [product.relu ? 0 : smallestFloat] },
    ...Object.values(whole).map((value) => ({ type: "int32", data: [value] })),
  ];
  const program: Program = {
    variableNames: bias ? ["x", "words", "bias"] : ["x", "words"],
    outputShape: [batch, rows, columns],
    dispatchLayout: { x: [2], y: [1], z: [0] },
    dispatch: [Math.ceil(columns / tile), Math.ceil(rows / tile), batch],
    workgroupSize: [8, 8, 1],
    uniforms: `factor : f32, smallest : f32, ${Object.keys(whole).map((name) => `${name} : i32,`).join(" ")}`, // biome-ignore format: one line says it
    shaderKey: `villaHalves_${Boolean(pixels)}_${product.transposed}_${Boolean(bias)}`,
    getUserCode: () => shader(product),
  };
  // Flat, since the shader computes its places itself: so one pipeline serves all ranks.
  const flat = ({ dataId, dtype, shape }: tf.TensorInfo) => ({ dataId, dtype, shape: [tf.util.sizeFromShape(shape)] });
  const inputs = bias ? [flat(input), words, flat(bias)] : [flat(input), words];
  const { dataId } = backend.runWebGPUProgram(program, inputs, "float32", uniforms);
  return { dataId, shape: [...product.outputShape], dtype: "float32" };
}

const layoutOf = (info: ConvInfo) => ({
  height: info.inHeight,
  width: info.inWidth,
  channels: info.inChannels,
  outHeight: info.outHeight,
  outWidth: info.outWidth,
  filterWidth: info.filterWidth,
  strideY: info.strideHeight,
  strideX: info.strideWidth,
  dilationY: info.dilationHeight,
  dilationX: info.dilationWidth,
  top: info.padInfo.top,
  left: info.padInfo.left,
});

const valueOfRows = "return x[(group * uniforms.rows + row) * uniforms.inner + k];";
const valueOfPixels = `
  let tap = k / uniforms.channels;
  let place = row / uniforms.outWidth;
  let image = place / uniforms.outHeight;
  let y = place % uniforms.outHeight * uniforms.strideY + tap / uniforms.filterWidth * uniforms.dilationY - uniforms.top;
  let across = row % uniforms.outWidth * uniforms.strideX + tap % uniforms.filterWidth * uniforms.dilationX - uniforms.left;
  if (y < 0 || y >= uniforms.height || across < 0 || across >= uniforms.width) { return 0.0; }
  return x[((image * uniforms.height + y) * uniforms.width + across) * uniforms.channels + k % uniforms.channels];`;

const everyRow = [0, 1, 2, 3] as const;

/**
 * Tiles of both operands go to the workgroup's memory, halves widened on the way; products are summed in float32. A thread
 * computes four neighbouring columns of four rows.
 */
function shader({ pixels, transposed, bias }: HalfProduct): string {
  const place = transposed ? "column * uniforms.inner + k" : "k * uniforms.columns + column";
  // Neighbouring threads read neighbouring words.
  const [k, four] = transposed ? [`i % ${tile}`, `i / ${tile}`] : [`i / ${tile / 4}`, `i % ${tile / 4}`];
  return `
    var<workgroup> left : array<array<f32, ${tile}>, ${tile}>; // [row][k]
    var<workgroup> right : array<array<vec4<f32>, ${tile / 4}>, ${tile}>; // [k][column / 4]

    fn inputAt(group : i32, row : i32, k : i32) -> f32 {
      if (row >= uniforms.rows || k >= uniforms.inner) { return 0.0; }
      ${pixels ? valueOfPixels : valueOfRows}
    }

    fn weightAt(group : i32, k : i32, column : i32) -> f32 {
      if (k >= uniforms.inner || column >= uniforms.columns) { return 0.0; }
      let at = group * uniforms.weightStride + ${place};
      let pair = unpack2x16float(bitcast<u32>(words[at / 2]));
      return select(pair.x, pair.y, at % 2 == 1);
    }

    fn write(group : i32, row : i32, column : i32, sums : vec4<f32>) {
      if (row >= uniforms.rows) { return; }
      for (var j = 0; j < 4 && column + j < uniforms.columns; j = j + 1) {
        let value = uniforms.factor * sums[j]${bias ? " + bias[column + j]" : ""};
        result[(group * uniforms.rows + row) * uniforms.columns + column + j] = max(value, uniforms.smallest);
      }
    }

    fn main() {
      let group = i32(workgroupId.z);
      let firstRow = i32(workgroupId.y) * ${tile};
      let firstColumn = i32(workgroupId.x) * ${tile};
      let ownRow = i32(localId.y);
      let ownFour = i32(localId.x);
      ${everyRow.map((i) => `var sums${i} = vec4<f32>(0.0);`).join(" ")}
      for (var first = 0; first < uniforms.inner; first = first + ${tile}) {
        for (var i = i32(localIndex); i < ${tile * tile}; i = i + 64) {
          left[i / ${tile}][i % ${tile}] = inputAt(group, firstRow + i / ${tile}, first + i % ${tile});
        }
        for (var i = i32(localIndex); i < ${(tile * tile) / 4}; i = i + 64) {
          var weights : vec4<f32>;
          for (var j = 0; j < 4; j = j + 1) {
            weights[j] = weightAt(group, first + ${k}, firstColumn + 4 * (${four}) + j);
          }
          right[${k}][${four}] = weights;
        }
        workgroupBarrier();
        for (var k = 0; k < ${tile}; k = k + 1) {
          let weights = right[k][ownFour];
          ${everyRow.map((i) => `sums${i} = sums${i} + left[ownRow + ${8 * i}][k] * weights;`).join("\n          ")}
        }
        workgroupBarrier();
      }
      ${everyRow.map((i) => `write(group, firstRow + ownRow + ${8 * i}, firstColumn + 4 * ownFour, sums${i});`).join("\n      ")}
    }`;
}
