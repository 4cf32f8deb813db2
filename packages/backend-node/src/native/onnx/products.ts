import type { ProductEngine, Transposes } from "@villa/core/kernels";
import type { OnnxNode } from "./model.ts";
import type { OnnxGraph, OnnxRuntime } from "./runtime.ts";

/**
 * From where on a transposed left operand is turned before the product: in it, ONNX Runtime turns the same rows again for
 * every 128 columns, which costs a fifth to a quarter of the time of a gradient of weights.
 */
const manyColumns = 512;
const largeOperand = 1 << 16;

type OperandsOf<Method extends keyof ProductEngine> = Parameters<ProductEngine[Method]>[1];

/** Products by ONNX Runtime's threaded kernels, which read and write the heap in place. */
export class OnnxProducts implements ProductEngine {
  readonly #onnx: OnnxRuntime;

  constructor(onnx: OnnxRuntime) {
    this.#onnx = onnx;
  }

  multiply(
    _space: unknown,
    { a, b, c, y }: OperandsOf<"multiply">,
    { transposeA = false, transposeB = false, relu = false }: Transposes & { readonly relu?: boolean | undefined },
  ): void {
    const columns = y.dims[1]!;
    const turned = transposeA && columns >= manyColumns && a.data.length >= largeOperand;
    const settings = { transposeA, transposeB, relu, turned, biasRank: c?.dims.length };
    const how = turned ? "turned" : transposeA ? "T" : "N";
    const key = `gemm${how}${transposeB ? "T" : "N"}${c ? c.dims.length : ""}${relu ? "r" : ""}`;
    this.#onnx.run(key, () => gemmGraph(settings), c ? [a, b, c] : [a, b], y);
  }

  multiplyBatch(
    _space: unknown,
    { a, b, y }: OperandsOf<"multiplyBatch">,
    { transposeA = false, transposeB = false }: Transposes,
  ): void {
    const key = `batched${Number(transposeA)}${Number(transposeB)}`;
    this.#onnx.run(key, () => batchedGraph(transposeA, transposeB), [a, b], y);
  }

  winogradProducts(_space: unknown, { points, filter, ofFilter, ofResult, y }: OperandsOf<"winogradProducts">): void {
    this.#onnx.run("winograd", winogradGraph, [points, filter, ofFilter, ofResult], y);
  }

  winogradGradient(
    _space: unknown,
    { ofInput, ofOutput, ofFilterGradient, y }: OperandsOf<"winogradGradient">,
    add: boolean,
  ): void {
    const operands = [ofInput, ofOutput, ofFilterGradient];
    const key = add ? "winogradGradientSum" : "winogradGradient";
    this.#onnx.run(key, () => winogradGradientGraph(add), add ? [...operands, y] : operands, y);
  }
}

interface GemmSettings extends Required<Transposes> {
  readonly relu: boolean;
  /** Whether a is transposed before the product, not in it. */
  readonly turned: boolean;
  readonly biasRank: number | undefined;
}

function gemmGraph({ transposeA, transposeB, relu, turned, biasRank }: GemmSettings): OnnxGraph {
  const product = relu ? "product" : "y";
  const bias = biasRank === undefined ? [] : ["c"];
  const gemmNode = {
    operator: "Gemm",
    inputs: [turned ? "turned" : "a", "b", ...bias],
    outputs: [product],
    attributes: { transA: Number(transposeA && !turned), transB: Number(transposeB) },
  };
  const nodes: OnnxNode[] = relu ? [gemmNode, { operator: "Relu", inputs: [product], outputs: ["y"] }] : [gemmNode];
  if (turned)
    nodes.unshift({ operator: "Transpose", inputs: ["a"], outputs: ["turned"], attributes: { perm: [1, 0] } });
  return {
    nodes,
    inputRanks: biasRank === undefined ? [2, 2] : [2, 2, biasRank],
    outputRank: 2,
    asWritten: turned, // else the transposition would be put back into the product
  };
}

/** Batches of products; ONNX Runtime's own FusedMatMul takes transposed operands without moving them. */
function batchedGraph(transposeA: boolean, transposeB: boolean): OnnxGraph {
  const attributes = { transA: Number(transposeA), transB: Number(transposeB) };
  const node = { operator: "FusedMatMul", domain: "com.microsoft", inputs: ["a", "b"], outputs: ["y"], attributes };
  return { nodes: [node], inputRanks: [3, 3], outputRank: 3 };
}

/** Points times the transformed filter, back to pixels: only the small results leave ONNX Runtime. */
function winogradGraph(): OnnxGraph {
  const node = (operator: string, inputs: readonly string[], output: string, attributes = {}) => ({
    operator,
    inputs,
    outputs: [output],
    attributes,
  });
  return {
    nodes: [
      node("MatMul", ["c", "b"], "flatFilter"), // [36, C·O]
      node("Shape", ["a"], "shape"),
      node("Constant", [], "axes", { value_ints: [0, 2] }),
      node("Constant", [], "rest", { value_ints: [-1] }),
      node("Gather", ["shape", "axes"], "ends"),
      node("Concat", ["ends", "rest"], "filterShape", { axis: 0 }),
      node("Reshape", ["flatFilter", "filterShape"], "filter"), // [36, C, O]
      node("MatMul", ["a", "filter"], "products"), // [36, tiles, O]
      node("Flatten", ["products"], "flatProducts", { axis: 1 }),
      node("MatMul", ["d", "flatProducts"], "y"), // [16, tiles·O]
    ],
    inputRanks: [3, 2, 2, 2],
    outputRank: 2,
  };
}

function winogradGradientGraph(sum: boolean): OnnxGraph {
  const transA = { transA: 1 };
  return {
    nodes: [
      {
        operator: "FusedMatMul",
        domain: "com.microsoft",
        inputs: ["a", "b"],
        outputs: ["products"],
        attributes: transA,
      },
      { operator: "Flatten", inputs: ["products"], outputs: ["flat"], attributes: { axis: 1 } }, // [36, C·O]
      { operator: "Gemm", inputs: sum ? ["c", "flat", "d"] : ["c", "flat"], outputs: ["y"] }, // [9, C·O]
    ],
    inputRanks: sum ? [3, 3, 2, 2] : [3, 3, 2],
    outputRank: 2,
  };
}
