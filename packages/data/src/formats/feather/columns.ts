import type { Data, DataType, Vector } from "apache-arrow";
import { VillaError } from "../../errors.ts";
import type { Allowance } from "../limits.ts";
import type { Arrow } from "./arrow.ts";

/**
 * An Arrow column as a JavaScript array: numbers (bigint beyond 2^53), strings, booleans, `Uint8Array`, nested arrays
 * for lists, null.
 *
 * Arrow's own accessors box every nested list in a vector and trust the file's offsets; reading the buffers directly
 * is several times faster and checks them.
 *
 * @throws VillaError `InvalidFile` when buffers are shorter than the column or offsets point outside of them
 */
export function columnValues(arrow: Arrow, vector: Vector, allowance: Allowance): unknown[] {
  const chunks = vector.data.map((data) => dataValues(arrow, data, allowance));
  return chunks.length === 1 ? chunks[0]! : chunks.flat(1);
}

/** Bytes that a value takes, about: its place in the array and, for texts and lists, an object. */
const valueCost = 24;

function dataValues(arrow: Arrow, data: Data, allowance: Allowance): unknown[] {
  const { Type } = arrow;
  const { length, offset } = data;
  if (!(length >= 0 && offset === 0)) throw damaged();
  allowance.take(length * valueCost, "A column");
  allowance.work(length, "A column");
  const values = ((): unknown[] => {
    switch (data.typeId) {
      case Type.Null:
        return new Array<null>(length).fill(null);
      case Type.Bool:
        return bits(data.values as Uint8Array, length);
      case Type.Int:
      case Type.Float:
        return numbers(arrow, data, length);
      case Type.Utf8:
      case Type.LargeUtf8:
        return strings(data.values as Uint8Array, offsets(data, (data.values as Uint8Array).length));
      case Type.Binary:
      case Type.LargeBinary:
        return slices(data.values as Uint8Array, offsets(data, (data.values as Uint8Array).length));
      case Type.Struct:
        return records(arrow, data, allowance);
      case Type.List:
      case Type.LargeList:
      case Type.Map: {
        const items = dataValues(arrow, data.children[0]!, allowance);
        return slices(items, offsets(data, items.length));
      }
      case Type.FixedSizeList: {
        const items = dataValues(arrow, data.children[0]!, allowance);
        const { listSize } = data.type as DataType & { listSize: number };
        if (!(listSize >= 0 && length * listSize <= items.length)) throw damaged();
        return Array.from({ length }, (_, i) => items.slice(i * listSize, (i + 1) * listSize));
      }
      case Type.Dictionary: {
        if (!data.dictionary) throw damaged();
        const words = columnValues(arrow, data.dictionary, allowance);
        const isNull = nullTest(data);
        return numbers(arrow, data.clone((data.type as DataType & { indices: DataType }).indices), length).map(
          (index, i) => {
            if (isNull(i)) return null;
            if (!(Number(index) >= 0 && Number(index) < words.length)) throw damaged();
            return words[Number(index)];
          },
        );
      }
      case Type.Decimal:
      case Type.Interval:
        throw new VillaError(
          "Unsupported",
          "Feather columns of decimals and intervals cannot be read; cast them first.",
        );
      default: {
        // Views, dates and the like: rare in our files, so Arrow's own slower accessors will do.
        const vector = new arrow.Vector([data]);
        return Array.from({ length }, (_, i) => vector.get(i));
      }
    }
  })();
  if (data.nullCount > 0 && data.typeId !== Type.Null) applyNulls(values, data.nullBitmap as Uint8Array);
  return values;
}

/** Plain objects: Arrow's own rows read the file when they are looked at, damaged or not. */
function records(arrow: Arrow, data: Data, allowance: Allowance): unknown[] {
  const names = data.type.children.map((field: { readonly name: string }) => field.name);
  const columns = data.children.map((child) => dataValues(arrow, child, allowance));
  const fits = columns.length === names.length && columns.every((column) => column.length >= data.length);
  if (!fits || new Set(names).size !== names.length) throw damaged();
  allowance.take(data.length * names.length * valueCost, "A column");
  return Array.from({ length: data.length }, (_, i) =>
    Object.fromEntries(names.map((name, k) => [name, columns[k]![i]])),
  );
}

function numbers(arrow: Arrow, data: Data, length: number): unknown[] {
  const values = data.values as ArrayLike<number> | BigInt64Array | BigUint64Array;
  if (values.length < length) throw damaged();
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) return integers64(values, length);
  if (data.typeId === arrow.Type.Float && values instanceof Uint16Array) {
    const vector = new arrow.Vector([data]);
    return Array.from({ length }, (_, i) => vector.get(i));
  }
  const out = new Array<number>(length);
  for (let i = 0; i < length; i++) out[i] = values[i] as number;
  return out;
}

/** Numbers where exact, bigint beyond; without a bigint for each of the usual small ones. */
function integers64(values: BigInt64Array | BigUint64Array, length: number): (number | bigint)[] {
  const halves = new Int32Array(values.buffer, values.byteOffset, 2 * values.length);
  const out = new Array<number | bigint>(length);
  for (let i = 0; i < length; i++) {
    const high = halves[2 * i + 1]!;
    const exact = high >= -0x200000 && high < 0x200000;
    out[i] = exact ? high * 2 ** 32 + (halves[2 * i]! >>> 0) : values[i]!;
  }
  // -2^53 itself passes the test above but is not a safe integer; it is exact all the same.
  return out;
}

function bits(values: Uint8Array, length: number): boolean[] {
  if (values.length * 8 < length) throw damaged();
  return Array.from({ length }, (_, i) => ((values[i >> 3]! >> (i & 7)) & 1) === 1);
}

/** List boundaries, checked to be ascending and within `limit`. */
function offsets(data: Data, limit: number): ArrayLike<number> {
  const stored = data.valueOffsets as Int32Array | BigInt64Array | undefined;
  if (data.length === 0) return [0];
  if (!stored || stored.length < data.length + 1) throw damaged();
  const checked = new Float64Array(data.length + 1);
  let previous = 0;
  for (let i = 0; i <= data.length; i++) {
    const offset = Number(stored[i]);
    if (!(offset >= previous && offset <= limit)) throw damaged();
    checked[i] = offset;
    previous = offset;
  }
  return checked;
}

function slices<T extends { slice(start: number, end: number): unknown }>(items: T, at: ArrayLike<number>): unknown[] {
  return Array.from({ length: at.length - 1 }, (_, i) => items.slice(at[i]!, at[i + 1]!));
}

function strings(bytes: Uint8Array, at: ArrayLike<number>): string[] {
  const start = at[0]!;
  const end = at[at.length - 1]!;
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(start, end));
  const length = at.length - 1;
  // All ASCII: one call decodes the whole column, and characters are where bytes were.
  if (text.length === end - start) {
    return Array.from({ length }, (_, i) => text.slice(at[i]! - start, at[i + 1]! - start));
  }
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return Array.from({ length }, (_, i) => decoder.decode(bytes.subarray(at[i]!, at[i + 1]!)));
}

/** Whether a value is null, as the column's bits say. */
function nullTest({ nullCount, nullBitmap, length }: Data): (index: number) => boolean {
  const bitmap = nullBitmap as Uint8Array | undefined;
  if (nullCount === 0) return () => false;
  if (!bitmap || bitmap.length * 8 < length) throw damaged();
  return (i) => ((bitmap[i >> 3]! >> (i & 7)) & 1) === 0;
}

function applyNulls(values: unknown[], validity: Uint8Array | undefined): void {
  if (!validity || validity.length * 8 < values.length) throw damaged();
  for (let i = 0; i < values.length; i++) if (((validity[i >> 3]! >> (i & 7)) & 1) === 0) values[i] = null;
}

function damaged(): VillaError {
  return new VillaError("InvalidFile", "The Feather file is damaged: a column does not fit its buffers.");
}
