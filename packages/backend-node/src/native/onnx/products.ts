import type { Operand, ProductEngine, Scratch, Transposes } from "@villa/core/kernels";
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
    space: Scratch | undefined,
    { a, b, c, y }: OperandsOf<"multiply">,
    { transposeA = false, transposeB = false, relu = false }: Transposes & { readonly relu?: boolean | undefined },
  ): void {
    if (space && transposeA && y.dims[1]! >= manyColumns && a.data.length >= largeOperand) {
      this.multiply(space, { a: this.#turned(space, a), b, c, y }, { transposeB, relu });
      return;
    }
    const settings = { transposeA, transposeB, relu, biasRank: c?.dims.length };
    const key = `gemm${transposeA ? "T" : "N"}${transposeB ? "T" : "N"}${c ? c.dims.length : ""}${relu ? "r" : ""}`;
    this.#onnx.run(key, () => gemmGraph(settings), c ? [a, b, c] : [a, b], y);
  }

  /** In scratch space, which all kernels take in turn; what a graph keeps between its operators stays its session's. */
  #turned(space: Scratch, { data, dims }: Operand): Operand {
    const turned = { data: space.temporary(data.length), dims: dims.toReversed() };
    this.#onnx.run("transpose", transposeGraph, [{ data, dims }], turned);
    return turned;
  }

  multiplyBatch(
    _space: unknown,
    { a, b, y }: OperandsOf<"multiplyBatch">,
    { transposeA = false, transposeB = false }: Transposes,
  ): void {
    const key = `batched${Number(transposeA)}${Number(transposeB)}`;
    this.#onnx.run(key, () => batchedGraph(transposeA, transposeB), [a, b], y);
  }
}

interface GemmSettings extends Required<Transposes> {
  readonly relu: boolean;
  readonly biasRank: number | undefined;
}

function gemmGraph({ transposeA, transposeB, relu, biasRank }: GemmSettings): OnnxGraph {
  const product = relu ? "product" : "y";
  const bias = biasRank === undefined ? [] : ["c"];
  const gemmNode = {
    operator: "Gemm",
    inputs: ["a", "b", ...bias],
    outputs: [product],
    attributes: { transA: Number(transposeA), transB: Number(transposeB) },
  };
  const nodes: OnnxNode[] = relu ? [gemmNode, { operator: "Relu", inputs: [product], outputs: ["y"] }] : [gemmNode];
  return { nodes, inputRanks: biasRank === undefined ? [2, 2] : [2, 2, biasRank], outputRank: 2 };
}

function transposeGraph(): OnnxGraph {
  const node = { operator: "Transpose", inputs: ["a"], outputs: ["y"], attributes: { perm: [1, 0] } };
  return { nodes: [node], inputRanks: [2], outputRank: 2 };
}

/** Batches of products; ONNX Runtime's own FusedMatMul takes transposed operands without moving them. */
function batchedGraph(transposeA: boolean, transposeB: boolean): OnnxGraph {
  const attributes = { transA: Number(transposeA), transB: Number(transposeB) };
  const node = { operator: "FusedMatMul", domain: "com.microsoft", inputs: ["a", "b"], outputs: ["y"], attributes };
  return { nodes: [node], inputRanks: [3, 3], outputRank: 3 };
}
