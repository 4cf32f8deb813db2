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

/** A named float32 graph input or output of known rank and free dimensions. */
export interface OnnxValue {
  readonly name: string;
  readonly rank: number;
}

/**
 * Serialises a small float32 graph as an ONNX model (protocol buffers, IR 8, opset 17).
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
  const graph = [
    ...nodes.flatMap((node) => message(1, nodeFields(node))),
    ...text(2, "villa"),
    ...inputs.flatMap((value) => message(11, valueFields(value))),
    ...outputs.flatMap((value) => message(12, valueFields(value))),
  ];
  return Uint8Array.from([
    ...integer(1, 8), // ir_version
    ...message(8, [...text(1, ""), ...integer(2, 17)]), // opset_import
    ...message(8, [...text(1, "com.microsoft"), ...integer(2, 1)]),
    ...message(7, graph),
  ]);
}

function nodeFields({ operator, inputs, outputs, attributes = {}, domain }: OnnxNode): number[] {
  return [
    ...inputs.flatMap((name) => text(1, name)),
    ...outputs.flatMap((name) => text(2, name)),
    ...text(4, operator),
    ...Object.entries(attributes).flatMap(([name, value]) => message(5, attributeFields(name, value))),
    ...(domain ? text(7, domain) : []),
  ];
}

function attributeFields(name: string, value: OnnxAttribute): number[] {
  const float = 1;
  const int = 2;
  const ints = 7;
  if (typeof value === "object" && "float" in value) {
    const bytes = new Uint8Array(Float32Array.of(value.float).buffer);
    return [...text(1, name), ...varint((2 << 3) | 5), ...bytes, ...integer(20, float)];
  }
  return typeof value === "number"
    ? [...text(1, name), ...integer(3, value), ...integer(20, int)]
    : [...text(1, name), ...value.flatMap((each) => integer(8, each)), ...integer(20, ints)];
}

function valueFields({ name, rank }: OnnxValue): number[] {
  const float = 1;
  const dimensions = Array.from({ length: rank }, (_, axis) => message(1, text(2, `${name}_${axis}`))).flat();
  const tensor = [...integer(1, float), ...message(2, dimensions)];
  return [...text(1, name), ...message(2, message(1, tensor))];
}

function integer(field: number, value: number): number[] {
  return [...varint(field << 3), ...varint(value)];
}

function text(field: number, value: string): number[] {
  return message(field, [...new TextEncoder().encode(value)]);
}

function message(field: number, bytes: readonly number[]): number[] {
  return [...varint((field << 3) | 2), ...varint(bytes.length), ...bytes];
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return bytes;
}
