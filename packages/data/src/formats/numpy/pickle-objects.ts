import { opcode } from "../pickle/opcodes.ts";
import { type PickleExtension, PickleWriter } from "../pickle/writer.ts";
import { encodeElements, isTensorData, type TensorData } from "../tensor.ts";
import type { ObjectArray } from "./array.ts";
import { numericDescriptor } from "./descriptor.ts";

/** The pickle that NumPy stores in an NPY file of objects. Numeric arrays among the objects become NumPy arrays. */
export function pickleObjectArray(array: ObjectArray): Uint8Array {
  const writer = new PickleWriter(3, [numpyArrays]);
  // NumPy's flag 63 says that elements are references, need initialising and so on.
  ndarray(writer, array.shape, "O8", "|", 63, () => writer.list(array.data));
  return writer.finish();
}

/** Writes numeric arrays as `numpy.ndarray`s. */
export const numpyArrays: PickleExtension = (writer, value) => {
  if (!isTensorData(value)) return false;
  writeNdarray(writer, value);
  return true;
};

function writeNdarray(writer: PickleWriter, tensor: TensorData): void {
  const descriptor = numericDescriptor(tensor.dtype);
  ndarray(writer, tensor.shape, descriptor.slice(1), descriptor.slice(0, 1), 0, () =>
    writer.byteString(encodeElements(tensor)),
  );
}

/** What `ndarray.__reduce__` gives: an empty array, then its state. */
function ndarray(
  writer: PickleWriter,
  shape: readonly number[],
  type: string,
  order: string,
  flags: number,
  contents: () => void,
): void {
  writer.call("numpy.core.multiarray", "_reconstruct", () => {
    writer.op(opcode.MARK);
    writer.global("numpy", "ndarray");
    writer.tuple([0]);
    writer.byteString(Uint8Array.of(0x62)); // b"b"
    writer.op(opcode.TUPLE);
  });
  writer.op(opcode.MARK);
  writer.value(1);
  writer.tuple(shape);
  writer.call("numpy", "dtype", () => writer.tuple([type, false, true]));
  writer.tuple([3, order, null, null, null, -1, -1, flags]);
  writer.op(opcode.BUILD);
  writer.value(false);
  contents();
  writer.op(opcode.TUPLE);
  writer.op(opcode.BUILD);
}
