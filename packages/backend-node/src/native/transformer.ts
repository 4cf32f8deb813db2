import type * as tf from "@tensorflow/tfjs-core";
import {
  type KernelCall as AnyKernelCall,
  input,
  type Operand,
  type Override,
  onFloats,
  sizeOf,
} from "@villa/core/kernels";
import type { NativeBackend } from "./backend.ts";
import type { OnnxNode } from "./onnx/model.ts";
import type { OnnxGraph, OnnxRuntime } from "./onnx/runtime.ts";

type KernelCall = AnyKernelCall<NativeBackend>;

/** What transformer blocks are made of besides products, in ONNX Runtime's threaded kernels. */
export function registerTransformer(override: Override<NativeBackend>): void {
  override("VillaLayerNorm", onFloats(["x", "gamma", "beta"], layerNorm));
  override("VillaGelu", onFloats(["x"], gelu));
  override("VillaAttention", onFloats(["query", "key", "value"], attention));
  override("VillaAttentionGrad", onFloats(["query", "key", "value", "y", "dy"], attentionGrad));
}

function layerNorm(call: KernelCall): tf.TensorInfo {
  const { backend, inputs, attrs, space } = call;
  const x = input(inputs, "x");
  const [rows, channels] = x.shape as [number, number];
  const epsilon = attrs.epsilon as number;
  const values = space.floats(rows * channels);
  const node = {
    operator: "LayerNormalization",
    inputs: ["a", "b", "c"],
    outputs: ["y"],
    attributes: { axis: 1, epsilon: { float: epsilon } },
  };
  backend.onnx.run(
    `layerNorm${epsilon}`,
    () => ({ nodes: [node], inputRanks: [2, 1, 1], outputRank: 2 }),
    [operand(call, "x"), operand(call, "gamma"), operand(call, "beta")],
    { data: values, dims: [rows, channels] },
  );
  return backend.tensor(x.shape, values);
}

export const geluOperators: Readonly<Record<string, string>> = {
  gelu: "Gelu",
  gelu_tanh: "FastGelu",
  quick_gelu: "QuickGelu",
};

function gelu({ backend, inputs, attrs, space }: KernelCall): tf.TensorInfo {
  const x = input(inputs, "x");
  const kind = attrs.kind as string;
  const values = space.floats(sizeOf(x));
  // Rows of 1024 and a rest would be another call: the operators split their work by elements, whatever the shape.
  const dims = [1, sizeOf(x)];
  const attributes = kind === "quick_gelu" ? { alpha: { float: 1.702 } } : {};
  const node = { operator: geluOperators[kind]!, domain: "com.microsoft", inputs: ["a"], outputs: ["y"], attributes };
  const graph = (): OnnxGraph => ({ nodes: [node], inputRanks: [2], outputRank: 2 });
  backend.onnx.run(kind, graph, [{ data: backend.valuesOf(x) as Float32Array, dims }], { data: values, dims });
  return backend.tensor(x.shape, values);
}

/** ONNX Runtime's MultiHeadAttention reads the heads where they lie: nothing is transposed. */
function attention(call: KernelCall): tf.TensorInfo {
  const { backend, inputs, attrs, space } = call;
  const query = input(inputs, "query");
  const count = attrs.count as number;
  const heads = attrs.heads as number;
  const mask = inputs.mask as tf.TensorInfo | undefined;
  const [rows, width] = query.shape as [number, number];
  const sequences = (name: string): Operand => {
    const { data, dims } = operand(call, name);
    return { data, dims: [count, dims[0]! / count, width] };
  };
  const values = space.floats(rows * width);
  const operands = [sequences("query"), sequences("key"), sequences("value"), ...(mask ? [operand(call, "mask")] : [])];
  run(backend.onnx, heads, operands, { data: values, dims: [count, rows / count, width] });
  return backend.tensor(query.shape, values);
}

function run(onnx: OnnxRuntime, heads: number, operands: readonly Operand[], output: Operand): void {
  const masked = operands.length > 3;
  const node = {
    operator: "MultiHeadAttention",
    domain: "com.microsoft",
    // query, key, value, bias, key padding mask, attention bias
    inputs: masked ? ["a", "b", "c", "", "", "d"] : ["a", "b", "c"],
    outputs: ["y"],
    attributes: { num_heads: heads },
  };
  const inputRanks = masked ? [3, 3, 3, 4] : [3, 3, 3];
  onnx.run(`attention${heads}${masked}`, () => ({ nodes: [node], inputRanks, outputRank: 3 }), operands, output);
}

function attentionGrad(call: KernelCall): tf.TensorInfo[] {
  const { backend, inputs, attrs, space } = call;
  const count = attrs.count as number;
  const heads = attrs.heads as number;
  const mask = inputs.mask as tf.TensorInfo | undefined;
  const byHeads = (name: string): Operand => {
    const { data, dims } = operand(call, name);
    return { data, dims: [count, dims[0]! / count, heads, dims[1]! / heads] };
  };
  const operands = ["query", "key", "value", "y", "dy"].map(byHeads);
  const outputs = operands.slice(0, 3).map(({ data, dims }) => ({ data: space.floats(data.length), dims }));
  if (mask) operands.push(operand(call, "mask"));
  const scores = heads * operands[0]!.dims[1]! * operands[1]!.dims[1]!;
  const step = Math.max(1, Math.floor(scoresAtOnce / scores));
  for (let from = 0; from < count; from += step) {
    const part = (whole: Operand): Operand => sequencesOf(whole, from, Math.min(from + step, count));
    attentionGradients(backend.onnx, operands.map(part), outputs.map(part));
  }
  return ["query", "key", "value"].map((name, index) =>
    backend.tensor(input(inputs, name).shape, outputs[index]!.data),
  );
}

/** Scores that the gradient computes with at a time, 2 MiB: its five maps of them then stay in the caches. */
const scoresAtOnce = 1 << 19;

/** Some of an operand's sequences; what is there once serves all. */
function sequencesOf({ data, dims }: Operand, from: number, to: number): Operand {
  const [count, ...rest] = dims as [number, ...number[]];
  if (count === 1) return { data, dims };
  const size = data.length / count;
  return { data: data.subarray(from * size, to * size), dims: [to - from, ...rest] };
}

/**
 * Gradients of query, key and value, each [count, its tokens, heads, d], from those three, the attention's result y, its
 * gradient dy, and the mask if there is one.
 */
function attentionGradients(onnx: OnnxRuntime, operands: readonly Operand[], outputs: readonly Operand[]): void {
  const masked = operands.length > 5;
  const size = operands[0]!.dims[3]!;
  onnx.run(`attentionGrad${size}${masked}`, () => attentionGradGraph(size ** -0.5, masked), operands, ...outputs);
}

/** Inputs: query, key, value, y, dy, mask. Outputs: the gradients of the first three. */
function attentionGradGraph(scale: number, masked: boolean): OnnxGraph {
  const nodes: OnnxNode[] = [];
  const add = (operator: string, inputs: string, output: string, attributes = {}, domain = "") =>
    nodes.push({ operator, inputs: inputs.split(" ").filter(Boolean), outputs: [output], attributes, domain });
  const turn = (input: string, output: string) => add("Transpose", input, output, { perm: [0, 2, 1, 3] });
  const product = (inputs: string, output: string, attributes = {}) =>
    add("FusedMatMul", inputs, output, attributes, "com.microsoft");
  const alpha = { float: scale };

  turn("a", "q"); // [count, heads, tokens, d], as the next three
  turn("b", "k");
  turn("c", "v");
  turn("e", "g");
  product("q k", "scores", { transB: 1, alpha });
  if (masked) add("Add", "scores f", "maskedScores");
  add("Softmax", masked ? "maskedScores" : "scores", "p", { axis: -1 });
  product("g v", "dp", { transB: 1 });
  // What the softmax's gradient subtracts from dp, Σ p·dp over the keys, is Σ y·dy over a head's channels: far fewer values.
  add("Mul", "d e", "weighted");
  add("Constant", "", "last", { value_ints: [3] });
  add("ReduceSum", "weighted last", "sums", { keepdims: 1 });
  turn("sums", "shift"); // [count, heads, queries, 1]
  add("Sub", "dp shift", "centred");
  add("Mul", "p centred", "ds");
  product("ds k", "dq", { alpha });
  product("ds q", "dk", { transA: 1, alpha });
  product("p g", "dv", { transA: 1 });
  turn("dq", "y");
  turn("dk", "y1");
  turn("dv", "y2");
  return { nodes, inputRanks: masked ? [4, 4, 4, 4, 4, 4] : [4, 4, 4, 4, 4], outputRank: 4, furtherRanks: [4, 4] };
}

function operand({ backend, inputs }: KernelCall, name: string): Operand {
  const info = input(inputs, name);
  return { data: backend.valuesOf(info) as Float32Array, dims: info.shape };
}
