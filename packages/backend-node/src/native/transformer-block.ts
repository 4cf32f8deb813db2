import type * as tf from "@tensorflow/tfjs-core";
import { type KernelCall as AnyKernelCall, input, type Operand, type Override, onFloats } from "@villa/core/kernels";
import type { NativeBackend } from "./backend.ts";
import type { OnnxNode } from "./onnx/model.ts";
import type { OnnxGraph } from "./onnx/runtime.ts";
import { geluOperators } from "./transformer.ts";

type KernelCall = AnyKernelCall<NativeBackend>;

/** A whole block of a frozen transformer as one graph, the same for all of its layers. */
export function registerTransformerBlock(override: Override<NativeBackend>): void {
  override("VillaTransformerBlock", onFloats(["x"], transformerBlock));
}

/**
 * Weights go in as inputs: ONNX Runtime then reads them where they lie, while initializers would be copied. Its products
 * are no slower for that. What passes between the operators stays in its arena, where single kernels would have every result
 * copied by the binding.
 */
function transformerBlock(call: KernelCall): tf.TensorInfo | undefined {
  const { backend, inputs, attrs, space } = call;
  const x = input(inputs, "x");
  const [rows, width] = x.shape as [number, number];
  const count = attrs.count as number;
  const given = Object.keys(inputs).length - 1;
  const weights: Operand[] = [];
  for (let index = 0; index < given; index++) {
    const info = input(inputs, `w${index}`);
    if (info.dtype !== "float32") return undefined;
    weights.push({ data: backend.valuesOf(info) as Float32Array, dims: info.shape });
  }
  const joint = attrs.joint as boolean;
  if (joint) weights.splice(2, 2, ...thirds(weights[2]!, weights[3]!));
  const dims = [count, rows / count, width];
  const values = space.floats(rows * width);
  const [heads, epsilon, scaled] = [attrs.heads as number, attrs.epsilon as number, attrs.scaled as boolean];
  const activation = attrs.activation as string;
  backend.onnx.run(
    `block${heads} ${epsilon} ${activation} ${scaled}`,
    () => blockGraph({ heads, epsilon, activation, scaled }),
    [{ data: backend.valuesOf(x) as Float32Array, dims }, ...weights],
    { data: values, dims },
  );
  return backend.tensor(x.shape, values);
}

/** Query, key and value of a joint matrix and bias: their rows lie one after the other. */
function thirds(weight: Operand, bias: Operand): Operand[] {
  const width = weight.dims[1]!;
  return [0, 1, 2].flatMap((index): Operand[] => [
    { data: weight.data.subarray(index * width * width, (index + 1) * width * width), dims: [width, width] },
    { data: bias.data.subarray(index * width, (index + 1) * width), dims: [width] },
  ]);
}

interface BlockSettings {
  readonly heads: number;
  readonly epsilon: number;
  readonly activation: string;
  readonly scaled: boolean;
}

/** Inputs: x [count, tokens, W], then norm1, query, key, value, out, norm2, fc1, fc2 (two each), and the two factors. */
function blockGraph({ heads, epsilon, activation, scaled }: BlockSettings): OnnxGraph {
  const microsoft = "com.microsoft";
  const alpha = activation === "quick_gelu" ? { alpha: { float: 1.702 } } : {};
  const norm = { axis: 1, epsilon: { float: epsilon } };
  const nodes: OnnxNode[] = [];
  const add = (operator: string, inputs: string, output: string, attributes = {}, domain = "") =>
    nodes.push({ operator, inputs: inputs.split(" "), outputs: [output], attributes, domain });
  const product = (inputs: string, output: string) => add("Gemm", inputs, output, { transB: 1 });

  add("Shape", "a", "shape");
  add("Flatten", "a", "rows", { axis: 2 }); // [count · tokens, W]
  add("LayerNormalization", "rows b c", "normed", norm);
  for (const [name, inputs] of [
    ["query", "d e"],
    ["key", "f g"],
    ["value", "h i"],
  ] as const) {
    product(`normed ${inputs}`, `${name}Rows`);
    add("Reshape", `${name}Rows shape`, name); // [count, tokens, W]
  }
  add("MultiHeadAttention", "query key value", "mixed", { num_heads: heads }, microsoft);
  add("Flatten", "mixed", "mixedRows", { axis: 2 });
  product("mixedRows j k", "out");
  if (scaled) add("Mul", "out r", "outScaled");
  add("Add", `rows ${scaled ? "outScaled" : "out"}`, "attended");
  add("LayerNormalization", "attended l m", "normedAgain", norm);
  product("normedAgain n o", "hidden");
  add(geluOperators[activation]!, "hidden", "activated", alpha, microsoft);
  product("activated p q", "deep");
  if (scaled) add("Mul", "deep s", "deepScaled");
  add("Add", `attended ${scaled ? "deepScaled" : "deep"}`, "result");
  add("Reshape", "result shape", "y");
  const pairs = (count: number) => Array.from({ length: count }, () => [2, 1]).flat();
  const inputRanks = [3, 1, 1, ...pairs(4), 1, 1, ...pairs(2), ...(scaled ? [1, 1] : [])];
  return { nodes, inputRanks, outputRank: 3 };
}
