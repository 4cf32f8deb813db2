import { float32ToFloat16, ProtobufWriter, VillaError } from "@villa/data";

/** Attribute of a node: a whole number is an int, `{ float }` a float, a list ints, text a string. */
export type OnnxAttribute = number | { readonly float: number } | readonly number[] | string;

type ElementType = "float32" | "int64";
const elementCodes: Readonly<Record<ElementType, number>> = { float32: 1, int64: 7 };

/**
 * In what numbers a model is written. `float16`: weights and what is computed from them, inputs and outputs stay float32.
 * `int8`: the matrices of linear layers and tables of embeddings; what goes into a product is rounded when it runs.
 */
export type OnnxPrecision = "float32" | "float16" | "int8";

/** In bytes. ONNX files are protocol buffers, whose readers refuse larger ones. */
const largestFile = 2 ** 31 - 1;

/** Builds an ONNX graph node by node. Numbers are fields of `onnx.proto`. */
export class OnnxGraph {
  readonly precision: OnnxPrecision;
  readonly #graph = new ProtobufWriter();
  #counter = 0;

  constructor(precision: OnnxPrecision = "float32") {
    this.precision = precision;
  }

  /** A graph input. A side given as text is free and carries that name. */
  input(name: string, type: ElementType, shape: readonly (number | string)[]): string {
    this.#graph.bytes(11, valueInfo(name, type, shape));
    return name;
  }

  output(name: string, type: ElementType, shape: readonly (number | string)[]): void {
    this.#graph.bytes(12, valueInfo(name, type, shape));
  }

  /** A constant stored in the file, in the graph's precision. */
  weights(values: Float32Array, shape: readonly number[], name = this.#fresh("weights")): string {
    const own = this.precision === "float16" ? float32ToFloat16(values) : values;
    const code = this.precision === "float16" ? 10 : 1;
    return this.#constant(name, code, shape, new Uint8Array(own.buffer, own.byteOffset, own.byteLength));
  }

  /** An int8 constant. */
  bytes(values: Int8Array, shape: readonly number[], name = this.#fresh("bytes")): string {
    return this.#constant(name, 3, shape, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }

  /** An int64 constant: shapes, axes, indices. Without a shape it is a list. */
  integers(values: readonly number[], shape: readonly number[] = [values.length]): string {
    const bytes = BigInt64Array.from(values, BigInt);
    return this.#constant(this.#fresh("integers"), 7, shape, new Uint8Array(bytes.buffer));
  }

  scalar(value: number): string {
    return this.weights(Float32Array.of(value), []);
  }

  /** Adds a node with one output. @returns the output's name */
  node(
    operator: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
    output = this.#fresh(operator.toLowerCase()),
  ): string {
    this.#add(operator, inputs, [output], attributes);
    return output;
  }

  /** Adds a node with several outputs. @returns their names */
  nodes(operator: string, inputs: readonly string[], count: number): string[] {
    const outputs = Array.from({ length: count }, () => this.#fresh(operator.toLowerCase()));
    this.#add(operator, inputs, outputs, {});
    return outputs;
  }

  /** Numbers of any type as those that the graph computes with. */
  toReal(input: string): string {
    return this.node("Cast", [input], { to: this.precision === "float16" ? 10 : 1 });
  }

  /** An output of float32, whatever the graph computes with. */
  realOutput(input: string, name: string, shape: readonly (number | string)[]): void {
    if (this.precision === "float16") this.node("Cast", [input], { to: 1 }, name);
    else this.node("Identity", [input], {}, name);
    this.output(name, "float32", shape);
  }

  /**
   * The file: opset 17, IR version 8, which every ONNX Runtime since 1.12 reads.
   *
   * @throws VillaError `Unsupported` for a model of 2 GB or more
   */
  finish(name: string): Uint8Array {
    const opset = new ProtobufWriter().text(1, "").int(2, 17);
    const producer = "@villa/vlm";
    const file = new ProtobufWriter().int(1, 8).text(2, producer).bytes(7, this.#graph.text(2, name)).bytes(8, opset);
    if (file.byteLength > largestFile) {
      throw new VillaError(
        "Unsupported",
        `${name} is too large for one ONNX file in ${this.precision}, which holds at most 2 GB; export it in float16 or int8.`,
      );
    }
    return file.finish();
  }

  #add(
    operator: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>>,
  ): void {
    const node = new ProtobufWriter();
    for (const input of inputs) node.text(1, input);
    for (const output of outputs) node.text(2, output);
    node.text(4, operator);
    for (const [name, value] of Object.entries(attributes)) node.bytes(5, attribute(name, value));
    this.#graph.bytes(1, node);
  }

  #constant(name: string, elementCode: number, shape: readonly number[], bytes: Uint8Array): string {
    const tensor = new ProtobufWriter();
    for (const side of shape) tensor.int(1, side);
    this.#graph.bytes(5, tensor.int(2, elementCode).text(8, name).bytes(9, bytes));
    return name;
  }

  #fresh(kind: string): string {
    return `${kind}_${this.#counter++}`;
  }
}

function attribute(name: string, value: OnnxAttribute): ProtobufWriter {
  const message = new ProtobufWriter().text(1, name);
  if (typeof value === "number") return message.int(3, value).int(20, 2);
  if (typeof value === "string") return message.text(4, value).int(20, 3);
  if ("float" in value) return message.float(2, value.float).int(20, 1);
  for (const item of value) message.int(8, item);
  return message.int(20, 7);
}

function valueInfo(name: string, type: ElementType, shape: readonly (number | string)[]): ProtobufWriter {
  const sides = new ProtobufWriter();
  for (const side of shape) {
    const dimension = new ProtobufWriter();
    sides.bytes(1, typeof side === "number" ? dimension.int(1, side) : dimension.text(2, side));
  }
  const tensorType = new ProtobufWriter().int(1, elementCodes[type]).bytes(2, sides);
  return new ProtobufWriter().text(1, name).bytes(2, new ProtobufWriter().bytes(1, tensorType));
}
