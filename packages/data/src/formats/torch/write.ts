import { VillaError } from "../../errors.ts";
import { checkObject } from "../check-arguments.ts";
import { numpyArrays } from "../numpy/pickle-objects.ts";
import { opcode } from "../pickle/opcodes.ts";
import { type PickleExtension, PickleWriter } from "../pickle/writer.ts";
import { type DataType, encodeElements, isTensorData, type TensorData } from "../tensor.ts";
import { writeZip, type ZipMember, zipMember } from "../zip/writer.ts";

/** Options of {@link saveTorch}. */
export interface TorchWriteOptions {
  /** Write numeric arrays as `torch.Tensor` (default) or as `numpy.ndarray`. */
  readonly arrays?: "tensor" | "numpy" | undefined;
  /** Folder inside the archive; torch uses the file's name. */
  readonly archiveName?: string | undefined;
}

const storageNames: Partial<Record<DataType, string>> = {
  float64: "DoubleStorage",
  float32: "FloatStorage",
  float16: "HalfStorage",
  bfloat16: "BFloat16Storage",
  int64: "LongStorage",
  int32: "IntStorage",
  int16: "ShortStorage",
  int8: "CharStorage",
  uint8: "ByteStorage",
  bool: "BoolStorage",
};

/** Tensor contents start at multiples of this, as torch's do, so that they can be read without copying. */
const alignment = 64;

/**
 * Writes a file that `torch.load` reads (the zip format of torch ≥ 1.6). `value` may nest Maps and plain objects
 * (dicts), arrays (lists), `TensorData`, strings, numbers (whole ones as int), bigints, booleans, null and bytes.
 * The same `TensorData` object occurring twice is stored once and shared, as in torch.
 *
 * @example saveTorch(new Map([["weight", { dtype: "float32", shape: [2, 3], data: new Float32Array(6) }]]))
 * @throws VillaError `InvalidArgument` for values that have no Python counterpart, `Unsupported` for unsigned 16- to
 *   64-bit tensors, which older torch lacks, and for more than 4 GiB
 */
export function saveTorch(value: unknown, options: TorchWriteOptions = {}): Uint8Array {
  checkObject(options, "The options of saveTorch");
  const folder = options.archiveName ?? "archive";
  const storages: ZipMember[] = [];
  const keys = new Map<TensorData, string>();
  const tensors: PickleExtension = (writer, item) => {
    if (!isTensorData(item)) return false;
    let key = keys.get(item);
    if (key === undefined) {
      key = String(storages.length);
      keys.set(item, key);
      storages.push(zipMember(`${folder}/data/${key}`, encodeElements(item)));
    }
    writeTensor(writer, item, key);
    return true;
  };
  const writer = new PickleWriter(2, [options.arrays === "numpy" ? numpyArrays : tensors]);
  writer.value(value);
  const text = (name: string, content: string) => zipMember(`${folder}/${name}`, new TextEncoder().encode(content));
  return writeZip(
    [
      zipMember(`${folder}/data.pkl`, writer.finish()),
      text("byteorder", "little"),
      ...storages,
      text("version", "3\n"),
    ],
    alignment,
  );
}

/** `torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks)` */
function writeTensor(writer: PickleWriter, { dtype, shape, data }: TensorData, key: string): void {
  const storage = storageNames[dtype];
  if (!storage) throw new VillaError("Unsupported", `torch files cannot hold ${dtype} tensors; convert them first.`);
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--)
    strides[axis] = strides[axis + 1]! * Math.max(1, shape[axis + 1]!);
  writer.call("torch._utils", "_rebuild_tensor_v2", () => {
    writer.op(opcode.MARK);
    writer.op(opcode.MARK);
    writer.string("storage");
    writer.global("torch", storage);
    writer.string(key);
    writer.string("cpu");
    writer.value(data.length);
    writer.op(opcode.TUPLE);
    writer.op(opcode.BINPERSID);
    writer.value(0);
    writer.tuple(shape);
    writer.tuple(strides);
    writer.value(false);
    writer.call("collections", "OrderedDict", () => writer.op(opcode.EMPTY_TUPLE));
    writer.op(opcode.TUPLE);
  });
}
