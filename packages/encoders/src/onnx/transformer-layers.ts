import type { GeluKind } from "@villa/core";
import { type ArgumentRule, checkArgument, type TensorData, toFloat32, VillaError } from "@villa/data";
import type { WeightArray } from "../clip/parameters.ts";
import { OnnxGraph, type OnnxPrecision } from "./graph.ts";

/** Tensors of a file, or checked arrays, in torch's names and layout. */
export type GraphWeights = ReadonlyMap<string, TensorData | WeightArray>;

/** Names of a linear layer's matrix [outputs, inputs] and bias; some have no bias. */
export interface LinearNames {
  readonly weight: string;
  readonly bias?: string | undefined;
  /** Which rows of the matrix are meant, where query, key and value lie in one. Default all. */
  readonly rows?: readonly [from: number, to: number] | undefined;
  /** The matrix is [inputs, outputs]. */
  readonly transposed?: boolean | undefined;
}

/** Query, key, value and output of an attention. */
export interface AttentionNames {
  readonly query: LinearNames;
  readonly key: LinearNames;
  readonly value: LinearNames;
  readonly out: LinearNames;
}

/**
 * Products of bytes are added in pairs of 16 bits on processors without VNNI: with seven bits of weight no pair of them
 * is too large.
 */
const largestInt8 = 63;

/** What is added to a score that must not count. Representable in float16. */
const hiddenScore = -30_000;

/** How an ONNX model is written. */
export interface OnnxExportOptions {
  /** Default float32. */
  readonly precision?: OnnxPrecision | undefined;
}

const exportRule: ArgumentRule = { "precision?": "'float32' | 'float16' | 'int8'" };

/** A graph to be filled, and the layers that fill it. */
export function startGraph(weights: GraphWeights, options: OnnxExportOptions) {
  checkArgument("weights", weights, "Map");
  checkArgument("options?", options, exportRule);
  const graph = new OnnxGraph(options.precision);
  return { graph, layers: new TransformerLayers(graph, weights) };
}

/** Adds a transformer's layers to a graph, on tensors [batch, tokens, width]. */
export class TransformerLayers {
  readonly graph: OnnxGraph;
  readonly #weights: GraphWeights;
  /** Constants and rounded inputs by what they are made of: each is in the file once, however often it is used. */
  readonly #made = new Map<string, readonly string[]>();

  constructor(graph: OnnxGraph, weights: GraphWeights) {
    this.graph = graph;
    this.#weights = weights;
  }

  /** A tensor of the file. @throws VillaError `Mismatch` when it is missing */
  tensor(name: string): { values: Float32Array; shape: readonly number[] } {
    const tensor = this.#weights.get(name);
    if (!tensor) throw new VillaError("Mismatch", `The weight "${name}" is missing; it cannot be exported.`);
    return { values: "dtype" in tensor ? toFloat32(tensor) : tensor.data, shape: tensor.shape };
  }

  /** A tensor of the file as a constant of the graph. */
  constant(name: string): string {
    return this.#once(name, () => {
      const { values, shape } = this.tensor(name);
      return [this.graph.weights(values, shape)];
    })[0]!;
  }

  /** The linear layer of a plain name. */
  linear(input: string, name: string): string {
    return this.product(input, linearNames(name));
  }

  /** [..., inputs] → [..., outputs] */
  product(input: string, names: LinearNames): string {
    const { graph } = this;
    const product =
      graph.precision === "int8"
        ? this.#roundedProduct(input, names)
        : graph.node("MatMul", [input, ...this.#once(`matrix ${keyOf(names)}`, () => this.#exact(names))]);
    const { bias, rows } = names;
    if (bias === undefined) return product;
    const added = this.#once(`bias ${bias} ${rows}`, () => {
      const { values } = this.tensor(bias);
      const own = rows ? values.subarray(...rows) : values;
      return [graph.weights(own, [own.length])];
    });
    return graph.node("Add", [product, ...added]);
  }

  norm(input: string, name: string, epsilon: number): string {
    const inputs = [input, this.constant(`${name}.weight`), this.constant(`${name}.bias`)];
    return this.graph.node("LayerNormalization", inputs, { axis: -1, epsilon: { float: epsilon } });
  }

  gelu(input: string, kind: GeluKind): string {
    const { graph } = this;
    const times = (x: string, factor: number) => graph.node("Mul", [x, graph.scalar(factor)]);
    if (kind === "quick_gelu") return graph.node("Mul", [input, graph.node("Sigmoid", [times(input, 1.702)])]);
    const gate =
      kind === "gelu" ? graph.node("Erf", [times(input, Math.SQRT1_2)]) : graph.node("Tanh", [this.#inner(input)]);
    return graph.node("Mul", [times(input, 0.5), graph.node("Add", [gate, graph.scalar(1)])]);
  }

  perceptron(input: string, [first, second]: readonly [string, string], activation: GeluKind): string {
    return this.linear(this.gelu(this.linear(input, first), activation), second);
  }

  /**
   * Multi-head attention.
   *
   * @param asking what queries are made from, [batch, queries, width]
   * @param asked what keys and values are made from, [batch, keys, width]
   * @param mask added to the scores [batch, heads, queries, keys]
   */
  attention(
    [asking, asked]: readonly [string, string],
    names: AttentionNames,
    { heads, width, mask }: { heads: number; width: number; mask?: string | undefined },
  ): string {
    const { graph } = this;
    const split = (x: string, perm: readonly number[]) => {
      const shape = graph.integers([0, 0, heads, width / heads]);
      return graph.node("Transpose", [graph.node("Reshape", [x, shape])], { perm });
    };
    // Scaled before the product rather than after, which would be too large for float16.
    const scaled = graph.node("Mul", [this.product(asking, names.query), graph.scalar((width / heads) ** -0.5)]);
    const query = split(scaled, [0, 2, 1, 3]); // [B, heads, queries, perHead]
    const key = split(this.product(asked, names.key), [0, 2, 3, 1]); // [B, heads, perHead, keys]
    const value = split(this.product(asked, names.value), [0, 2, 1, 3]); // [B, heads, keys, perHead]
    const products = graph.node("MatMul", [query, key]);
    const scores = mask === undefined ? products : graph.node("Add", [products, mask]);
    const mixed = graph.node("MatMul", [graph.node("Softmax", [scores], { axis: -1 }), value]);
    const joined = graph.node("Transpose", [mixed], { perm: [0, 2, 1, 3] });
    return this.product(graph.node("Reshape", [joined, graph.integers([0, 0, width])]), names.out);
  }

  /** Rows of a table by number: [batch, tokens] → [batch, tokens, width] */
  embedding(ids: string, name: string): string {
    const { values, shape } = this.tensor(name);
    const [rows, width] = shape as [number, number];
    const { graph } = this;
    if (graph.precision !== "int8") return graph.node("Gather", [graph.weights(values, shape), ids]);
    const { bytes, scales } = roundRows(values, rows, width);
    const picked = graph.toReal(graph.node("Gather", [graph.bytes(bytes, shape), ids]));
    return graph.node("Mul", [picked, graph.node("Gather", [graph.weights(scales, [rows, 1]), ids])]);
  }

  /** The first rows of a table, as many as `tokens` (int64, [1]) says: [tokens, width] */
  positions(name: string, tokens: string): string {
    const from = this.graph.integers([0]);
    return this.graph.node("Slice", [this.constant(name), from, tokens, this.graph.integers([0])]);
  }

  /** Sides of a tensor as int64, [count]. */
  sides(input: string, from: number, count: number): string {
    const range = Array.from({ length: count }, (_, i) => from + i);
    return this.graph.node("Gather", [this.graph.node("Shape", [input]), this.graph.integers(range)]);
  }

  /** One token of each sequence, [batch, tokens, width] → [batch, width]; −1 is the last. */
  tokenAt(input: string, position: number): string {
    return this.graph.node("Gather", [input, this.graph.integers([position], [])], { axis: 1 });
  }

  /** [rows, width] with rows of length 1 */
  normalized(input: string): string {
    const norm = this.graph.node("ReduceL2", [input], { axes: [1], keepdims: 1 });
    return this.graph.node("Div", [input, this.graph.node("Max", [norm, this.graph.scalar(1e-7)])]);
  }

  /** [1, 1, tokens, tokens] for attention: no position looks ahead. `tokens` int64 [1], at most `longest`. */
  causalMask(tokens: string, longest: number): string {
    const values = new Float32Array(longest * longest);
    for (let i = 0; i < longest; i++) values.fill(hiddenScore, i * longest + i + 1, (i + 1) * longest);
    const { graph } = this;
    const ends = graph.node("Concat", [tokens, tokens], { axis: 0 });
    const whole = graph.weights(values, [longest, longest]);
    return graph.node("Slice", [whole, graph.integers([0, 0]), ends, graph.integers([0, 1])]);
  }

  /** 0 where a mask is 1 and a large negative number where it is 0, in the graph's own numbers. */
  hidden(mask: string): string {
    const hides = this.graph.node("Sub", [this.graph.scalar(1), mask]);
    return this.graph.node("Mul", [hides, this.graph.scalar(hiddenScore)]);
  }

  /** √(2/π)·(x + 0.044715 x³), in an order in which float16 stays finite. */
  #inner(x: string): string {
    const { graph } = this;
    const small = graph.node("Mul", [x, graph.scalar(0.044715)]);
    const factor = graph.node("Add", [graph.node("Mul", [small, x]), graph.scalar(1)]);
    return graph.node("Mul", [graph.node("Mul", [x, graph.scalar(Math.sqrt(2 / Math.PI))]), factor]);
  }

  /** The matrix as products take it, [inputs, outputs]. */
  #matrix({ weight, rows, transposed = false }: LinearNames): Matrix {
    const { values, shape } = this.tensor(weight);
    const [first, second] = shape as [number, number];
    if (transposed) return { values, inputs: first, outputs: second };
    const [from, to] = rows ?? [0, first];
    const [outputs, inputs] = [to - from, second];
    const turned = new Float32Array(inputs * outputs);
    for (let o = 0; o < outputs; o++) {
      for (let i = 0; i < inputs; i++) turned[i * outputs + o] = values[(from + o) * inputs + i]!;
    }
    return { values: turned, inputs, outputs };
  }

  #exact(names: LinearNames): string[] {
    const { values, inputs, outputs } = this.#matrix(names);
    return [this.graph.weights(values, [inputs, outputs])];
  }

  /** The matrix as bytes with a scale for each output; the input is rounded to bytes when the model runs. */
  #roundedProduct(input: string, names: LinearNames): string {
    const { graph } = this;
    const [matrix, scales] = this.#once(`matrix ${keyOf(names)}`, () => {
      const { values, inputs, outputs } = this.#matrix(names);
      const rounded = roundColumns(values, outputs);
      return [graph.bytes(rounded.bytes, [inputs, outputs]), graph.weights(rounded.scales, [outputs])];
    });
    const [rounded, scale, zeroPoint] = this.#once(`rounded ${input}`, () =>
      graph.nodes("DynamicQuantizeLinear", [input], 3),
    );
    const sums = graph.node("MatMulInteger", [rounded!, matrix!, zeroPoint!]);
    return graph.node("Mul", [graph.toReal(sums), graph.node("Mul", [scale!, scales!])]);
  }

  #once(key: string, make: () => readonly string[]): readonly string[] {
    const made = this.#made.get(key) ?? make();
    this.#made.set(key, made);
    return made;
  }
}

function keyOf({ weight, rows }: LinearNames): string {
  return `${weight} ${rows}`;
}

/** Weight and bias of a plain name. */
export function linearNames(name: string): LinearNames {
  return { weight: `${name}.weight`, bias: `${name}.bias` };
}

/** Query, key and value of one joint matrix [3 width, width]. */
export function jointAttention([weight, bias]: readonly [string, string], width: number): Omit<AttentionNames, "out"> {
  const part = (index: number): LinearNames => ({ weight, bias, rows: [index * width, (index + 1) * width] });
  return { query: part(0), key: part(1), value: part(2) };
}

interface Matrix {
  readonly values: Float32Array;
  readonly inputs: number;
  readonly outputs: number;
}

interface Rounded {
  readonly bytes: Int8Array;
  readonly scales: Float32Array;
}

/** Bytes and one scale for each column. */
function roundColumns(values: Float32Array, columns: number): Rounded {
  const scales = new Float32Array(columns);
  for (let at = 0; at < values.length; at++) {
    const column = at % columns;
    scales[column] = Math.max(scales[column]!, Math.abs(values[at]!) / largestInt8);
  }
  return { scales, bytes: Int8Array.from(values, (value, at) => quotient(value, scales[at % columns]!)) };
}

/** Bytes and one scale for each row. These are looked up, not multiplied, so that all eight bits serve. */
function roundRows(values: Float32Array, rows: number, columns: number): Rounded {
  const scales = new Float32Array(rows);
  const rowOf = (at: number) => Math.floor(at / columns);
  for (let at = 0; at < values.length; at++) {
    scales[rowOf(at)] = Math.max(scales[rowOf(at)]!, Math.abs(values[at]!) / 127);
  }
  return { scales, bytes: Int8Array.from(values, (value, at) => quotient(value, scales[rowOf(at)]!)) };
}

function quotient(value: number, scale: number): number {
  return scale === 0 ? 0 : Math.round(value / scale);
}
