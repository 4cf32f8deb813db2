import { ProtobufWriter } from "@villa/data";

/** Attribute of an ONNX node: an integer, a list of integers, or a floating-point number marked as one. */
export type OnnxAttribute = number | readonly number[] | { readonly float: number };

export interface OnnxNode {
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, OnnxAttribute>> | undefined;
  /** Empty for the standard operators. */
  readonly domain?: string | undefined;
}

/** Codes of ONNX's element types. */
export const elementType = { float32: 1, bfloat16: 16 } as const;

/** A named graph input or output of known rank and free dimensions. */
export interface OnnxValue {
  readonly name: string;
  readonly rank: number;
  /** One of {@link elementType}; default float32. */
  readonly type?: number | undefined;
}

/**
 * Serialises a small graph as an ONNX model (protocol buffers, IR 8, opset 17).
 *
 * ONNX Runtime only loads kernels through a model; writing the few fields by hand avoids a protobuf dependency.
 *
 * @see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto for the field numbers
 */
export function onnxModel(
  nodes: readonly OnnxNode[],
  inputs: readonly OnnxValue[],
  outputs: readonly OnnxValue[],
): Uint8Array {
  const graph = new ProtobufWriter();
  for (const node of nodes) graph.bytes(1, nodeMessage(node));
  graph.text(2, "villa");
  for (const value of inputs) graph.bytes(11, valueMessage(value));
  for (const value of outputs) graph.bytes(12, valueMessage(value));
  return new ProtobufWriter()
    .int(1, 8) // ir_version
    .bytes(8, new ProtobufWriter().text(1, "").int(2, 17)) // opset_import
    .bytes(8, new ProtobufWriter().text(1, "com.microsoft").int(2, 1))
    .bytes(7, graph)
    .finish();
}

function nodeMessage({ operator, inputs, outputs, attributes = {}, domain }: OnnxNode): ProtobufWriter {
  const node = new ProtobufWriter();
  for (const name of inputs) node.text(1, name);
  for (const name of outputs) node.text(2, name);
  node.text(4, operator);
  for (const [name, value] of Object.entries(attributes)) node.bytes(5, attributeMessage(name, value));
  return domain ? node.text(7, domain) : node;
}

function attributeMessage(name: string, value: OnnxAttribute): ProtobufWriter {
  const float = 1;
  const int = 2;
  const ints = 7;
  const attribute = new ProtobufWriter().text(1, name);
  if (typeof value === "number") return attribute.int(3, value).int(20, int);
  if ("float" in value) return attribute.float(2, value.float).int(20, float);
  for (const each of value) attribute.int(8, each);
  return attribute.int(20, ints);
}

function valueMessage({ name, rank, type = elementType.float32 }: OnnxValue): ProtobufWriter {
  const shape = new ProtobufWriter();
  for (let axis = 0; axis < rank; axis++) shape.bytes(1, new ProtobufWriter().text(2, `${name}_${axis}`));
  const tensor = new ProtobufWriter().int(1, type).bytes(2, shape);
  return new ProtobufWriter().text(1, name).bytes(2, new ProtobufWriter().bytes(1, tensor));
}
