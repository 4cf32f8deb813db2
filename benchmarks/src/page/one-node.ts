import { ProtobufWriter } from "@villa/data";

/** One operator of ONNX on float32 values of fixed shapes. */
export interface OneNode {
  readonly operator: string;
  /** What goes in when the model runs, by name. */
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  /** What is stored in the model, as the weights of a layer are. */
  readonly weights?: Readonly<Record<string, { readonly shape: readonly number[]; readonly values: Float32Array }>>;
  /** Lists of whole numbers. */
  readonly attributes?: Readonly<Record<string, readonly number[]>>;
  /** Of the output, which is called `out`. */
  readonly shape: readonly number[];
}

/** An ONNX model of a single operator. Numbers are fields of `onnx.proto`. */
export function oneNodeModel({ operator, inputs, weights = {}, attributes = {}, shape }: OneNode): Uint8Array {
  const node = new ProtobufWriter();
  for (const name of [...Object.keys(inputs), ...Object.keys(weights)]) node.text(1, name);
  node.text(2, "out").text(4, operator);
  for (const [name, values] of Object.entries(attributes)) {
    const attribute = new ProtobufWriter().text(1, name);
    for (const value of values) attribute.int(8, value);
    node.bytes(5, attribute.int(20, 7));
  }
  const graph = new ProtobufWriter().bytes(1, node).text(2, operator);
  for (const [name, { shape: own, values }] of Object.entries(weights)) {
    const tensor = new ProtobufWriter();
    for (const side of own) tensor.int(1, side);
    graph.bytes(5, tensor.int(2, 1).text(8, name).bytes(9, new Uint8Array(values.buffer)));
  }
  for (const [name, own] of Object.entries(inputs)) graph.bytes(11, value(name, own));
  graph.bytes(12, value("out", shape));
  const opset = new ProtobufWriter().text(1, "").int(2, 17);
  return new ProtobufWriter().int(1, 8).bytes(7, graph).bytes(8, opset).finish();
}

function value(name: string, shape: readonly number[]): ProtobufWriter {
  const sides = new ProtobufWriter();
  for (const side of shape) sides.bytes(1, new ProtobufWriter().int(1, side));
  const tensor = new ProtobufWriter().int(1, 1).bytes(2, sides);
  return new ProtobufWriter().text(1, name).bytes(2, new ProtobufWriter().bytes(1, tensor));
}
