import * as tf from "@tensorflow/tfjs-core";
import { overrideWasm, type WasmCall } from "./override.ts";

/** Kernels the wasm backend does not have at all. */
export function addMissingKernels(): void {
  overrideWasm("UnsortedSegmentSum", unsortedSegmentSum);
  overrideWasm("Einsum", einsum);
}

/** Rows added up by segment, as a product with a one-hot matrix: [S, R]·[R, C]. */
function unsortedSegmentSum({ inputs, attrs }: WasmCall): tf.Tensor {
  const x = inputs.x!;
  const segmentIds = tf.cast(inputs.segmentIds!, "int32");
  const segments = attrs.numSegments as number;
  const rows = segmentIds.size;
  const inner = x.shape.slice(segmentIds.rank);
  const hot = tf.cast(tf.oneHot(tf.reshape(segmentIds, [rows]), segments), "float32"); // [R, S]
  const sums = tf.matMul(hot as tf.Tensor2D, tf.reshape(tf.cast(x, "float32"), [rows, -1]) as tf.Tensor2D, true);
  return tf.cast(tf.reshape(sums, [segments, ...inner]), x.dtype);
}

/** One or two operands, each label at most once per operand: transposes around one batched product. */
function einsum({ inputs, attrs }: WasmCall): tf.Tensor {
  const operands = Object.values(inputs) as tf.Tensor[];
  const [left, result] = (attrs.equation as string).replaceAll(" ", "").split("->") as [string, string];
  const labels = left.split(",");
  const sizes = new Map<string, number>();
  labels.forEach((names, i) => {
    for (const [axis, label] of [...names].entries()) sizes.set(label, operands[i]!.shape[axis]!);
  });
  const sizeOf = (names: string[]) => names.reduce((product, name) => product * sizes.get(name)!, 1);
  const arrange = (x: tf.Tensor, names: string, wanted: string[]) => {
    // Labels in neither the result nor the other operand are summed away first.
    const extra = [...names].filter((name) => !wanted.includes(name));
    const summed =
      extra.length > 0
        ? tf.sum(
            x,
            extra.map((name) => names.indexOf(name)),
          )
        : x;
    const kept = [...names].filter((name) => wanted.includes(name));
    return tf.transpose(
      summed,
      wanted.map((name) => kept.indexOf(name)),
    );
  };
  const [a, b] = labels as [string, string | undefined];
  if (labels.length > 2 || labels.some((names) => new Set(names).size !== names.length)) {
    throw new Error(`einsum "${attrs.equation}" needs one or two operands without repeated labels on this backend.`);
  }
  if (b === undefined) return arrange(operands[0]!, a, [...result]);
  const shared = [...a].filter((name) => b.includes(name));
  const batch = shared.filter((name) => result.includes(name));
  const contracted = shared.filter((name) => !result.includes(name));
  const rows = [...a].filter((name) => !shared.includes(name) && result.includes(name));
  const columns = [...b].filter((name) => !shared.includes(name) && result.includes(name));
  const product = tf.matMul(
    tf.reshape(arrange(operands[0]!, a, [...batch, ...rows, ...contracted]), [
      sizeOf(batch),
      sizeOf(rows),
      sizeOf(contracted),
    ]),
    tf.reshape(arrange(operands[1]!, b, [...batch, ...contracted, ...columns]), [
      sizeOf(batch),
      sizeOf(contracted),
      sizeOf(columns),
    ]),
  ); // [batch, rows, columns]
  const order = [...batch, ...rows, ...columns];
  const shaped = tf.reshape(
    product,
    order.map((name) => sizes.get(name)!),
  );
  return tf.transpose(
    shaped,
    [...result].map((name) => order.indexOf(name)),
  );
}
