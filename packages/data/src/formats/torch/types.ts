import { VillaError } from "../../errors.ts";
import { checkText } from "../check-arguments.ts";
import { describe } from "../describe.ts";
import { isPickleGlobal } from "../pickle/globals.ts";
import type { DataType } from "../tensor.ts";

/** How a torch type's elements lie in a file: as elements of `stored`, two of them (`complex`) or one each. */
export interface ElementType {
  /** The name of torch's `dtype`. */
  readonly name: string;
  /** Undefined for types that are known by name only. */
  readonly stored?: DataType | undefined;
  readonly kind: "plain" | "complex" | "quantized";
  /** Bytes of one element. */
  readonly size: number;
}

const plain = (name: DataType, size: number): ElementType => ({ name, stored: name, kind: "plain", size });
const unread = (name: string, size: number): ElementType => ({ name, kind: "plain", size });
const quantized = (name: string, stored: DataType, size: number): ElementType => ({
  name,
  stored,
  kind: "quantized",
  size,
});

const complex = (name: string, stored: DataType, size: number): ElementType => ({
  name,
  stored,
  kind: "complex",
  size,
});

/** Every `torch.dtype` there is, by name. */
const elementTypes = new Map<string, ElementType>(
  [
    plain("float64", 8),
    plain("float32", 4),
    plain("float16", 2),
    plain("bfloat16", 2),
    plain("float8_e4m3fn", 1),
    plain("float8_e5m2", 1),
    plain("int64", 8),
    plain("int32", 4),
    plain("int16", 2),
    plain("int8", 1),
    plain("uint64", 8),
    plain("uint32", 4),
    plain("uint16", 2),
    plain("uint8", 1),
    plain("bool", 1),
    complex("complex64", "float32", 8),
    complex("complex128", "float64", 16),
    quantized("qint8", "int8", 1),
    quantized("quint8", "uint8", 1),
    quantized("qint32", "int32", 4),
    unread("complex32", 4),
    unread("bits16", 2),
    ...["quint4x2", "quint2x4", "bits1x8", "bits2x4", "bits4x2", "bits8"].map((name) => unread(name, 1)),
    ...["float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn_x2"].map((name) => unread(name, 1)),
    ...[1, 2, 3, 4, 5, 6, 7].flatMap((bits) => [unread(`uint${bits}`, 1), unread(`int${bits}`, 1)]),
  ].map((type): [string, ElementType] => [type.name, type]),
);

/** Storage classes, by name, and the elements they hold. */
const storageClasses: ReadonlyMap<string, string> = new Map([
  ["DoubleStorage", "float64"],
  ["FloatStorage", "float32"],
  ["HalfStorage", "float16"],
  ["BFloat16Storage", "bfloat16"],
  ["LongStorage", "int64"],
  ["IntStorage", "int32"],
  ["ShortStorage", "int16"],
  ["CharStorage", "int8"],
  ["ByteStorage", "uint8"],
  ["BoolStorage", "bool"],
  ["UntypedStorage", "uint8"],
  ["ComplexFloatStorage", "complex64"],
  ["ComplexDoubleStorage", "complex128"],
  ["ComplexHalfStorage", "complex32"],
  ["QInt8Storage", "qint8"],
  ["QUInt8Storage", "quint8"],
  ["QInt32Storage", "qint32"],
  ["QUInt4x2Storage", "quint4x2"],
  ["QUInt2x4Storage", "quint2x4"],
]);

export const storageClassNames: readonly string[] = [...storageClasses.keys()];
export const dtypeNames: readonly string[] = [...elementTypes.keys()];

/** A tensor that torch understands and this does not. It takes the tensor's place, so that the others can be read. */
export class UnsupportedTensor {
  /** What it is, for a sentence: "a tensor of type complex32". */
  readonly what: string;

  constructor(what: string) {
    checkText(what, "The description of an unsupported tensor");
    this.what = what;
  }
}

/** The elements of a storage class that a pickle mentions. @throws VillaError `InvalidFile` */
export function storedType(storageClass: unknown): ElementType {
  const name = isPickleGlobal(storageClass) ? storageClasses.get(storageClass.name) : undefined;
  const type = elementTypes.get(name ?? "");
  if (!type) {
    throw new VillaError("InvalidFile", `The torch file has a storage of the unknown class ${describe(storageClass)}.`);
  }
  return type;
}

/** The type that a mention of a `torch.dtype` stands for. @throws VillaError `InvalidFile` */
export function dtypeOf(value: unknown): ElementType {
  const type = isPickleGlobal(value) ? elementTypes.get(value.name.replace(/^torch\./, "")) : undefined;
  if (!type) throw new VillaError("InvalidFile", `The torch file has a tensor of the unknown type ${describe(value)}.`);
  return type;
}

/** The type by its name, e.g. "uint8". */
export function elementType(name: DataType): ElementType {
  return elementTypes.get(name)!;
}
