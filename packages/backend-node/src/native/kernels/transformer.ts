import type * as tf from "@tensorflow/tfjs-core";
import {
  type KernelCall as AnyKernelCall,
  input,
  type Operand,
  type Override,
  onFloats,
  sizeOf,
} from "@villa/core/kernels";
import type { NativeBackend } from "../backend.ts";
import type { OnnxGraph, OnnxRuntime } from "../onnx/runtime.ts";

type KernelCall = AnyKernelCall<NativeBackend>;

/** What transformer blocks are made of besides products, in ONNX Runtime's threaded kernels. */
export function registerTransformer(override: Override<NativeBackend>): void {
  override("VillaLayerNorm", onFloats(["x", "gamma", "beta"], layerNorm));
  override("VillaGelu", onFloats(["x"], gelu));
  override("VillaAttention", onFloats(["query", "key", "value"], attention));
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

function operand({ backend, inputs }: KernelCall, name: string): Operand {
  const info = input(inputs, name);
  return { data: backend.valuesOf(info) as Float32Array, dims: info.shape };
}
