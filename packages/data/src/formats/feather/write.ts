import type { Data, DataType, Field, RecordBatch } from "apache-arrow";
import { VillaError } from "../../errors.ts";
import { checkList, checkObject, checkText, isObject } from "../check-arguments.ts";
import { describe, quote } from "../describe.ts";
import { type Arrow, loadArrow } from "./arrow.ts";

/** Types a column can be written as. Every value may be null. */
export type FeatherType =
  | "int64"
  | "int32"
  | "float64"
  | "float32"
  | "bool"
  | "string"
  | { readonly list: FeatherType };

/** A column to be written. int64 takes numbers and bigints. */
export interface FeatherColumn {
  readonly name: string;
  readonly type: FeatherType;
  readonly values: readonly unknown[];
}

/** Options of {@link writeFeather}. */
export interface FeatherWriteOptions {
  /** Default "none". pandas, pyarrow and polars read both. */
  readonly compression?: "none" | "lz4" | undefined;
}

/** Writes a Feather file piece by piece, so that it never has to be in memory as a whole. */
export interface FeatherWriter {
  /** Adds rows. Names and types must be those of the first call. Returns bytes to be appended to the file. */
  append(columns: readonly FeatherColumn[]): Uint8Array;
  /** Ends the file. Returns its last bytes. */
  finish(): Uint8Array;
}

/**
 * Writes a Feather (version 2, Arrow IPC) file.
 *
 * @throws VillaError `InvalidArgument` when columns differ in length or a value does not fit its column's type
 */
export async function writeFeather(
  columns: readonly FeatherColumn[],
  options: FeatherWriteOptions = {},
): Promise<Uint8Array> {
  const writer = await createFeatherWriter(options);
  const start = writer.append(columns);
  const end = writer.finish();
  const out = new Uint8Array(start.length + end.length);
  out.set(start);
  out.set(end, start.length);
  return out;
}

/** A {@link FeatherWriter}: each `append` becomes one record batch, which every reader joins again. */
export async function createFeatherWriter(options: FeatherWriteOptions = {}): Promise<FeatherWriter> {
  checkObject(options, "The options of a Feather writer");
  const { compression = "none" } = options;
  if (compression !== "none" && compression !== "lz4") {
    throw new VillaError("InvalidArgument", `Feather's compression is "none" or "lz4", not ${describe(compression)}.`);
  }
  const arrow = await loadArrow();
  const sink = createSink(arrow, compression === "lz4");
  let layout: string | undefined;
  return {
    append(columns) {
      checkList(columns, "The columns of a table", isObject);
      for (const { name, type, values } of columns) {
        checkText(name, "A column's name");
        checkType(type);
        checkList(values, `The values of column ${quote(name)}`);
      }
      const columnLayout = JSON.stringify(columns.map(({ name, type }) => [name, type]));
      layout ??= columnLayout;
      if (columnLayout !== layout) {
        throw new VillaError("InvalidArgument", "All pieces of a Feather file must have the same columns.");
      }
      sink.write(recordBatch(arrow, columns));
      return sink.take();
    },
    finish() {
      sink.finish();
      return sink.take();
    },
  };
}

function recordBatch(arrow: Arrow, columns: readonly FeatherColumn[]): RecordBatch {
  const length = columns[0]?.values.length ?? 0;
  const ragged = columns.find(({ values }) => values.length !== length);
  if (ragged) {
    throw new VillaError(
      "InvalidArgument",
      `Column ${quote(ragged.name)} has ${ragged.values.length} values, but ${quote(columns[0]!.name)} has ${length}.`,
    );
  }
  const fields = columns.map(({ name, type }) => new arrow.Field(name, arrowType(arrow, type), true));
  const children = columns.map(({ name, type, values }) => columnData(arrow, name, type, values));
  const schema = new arrow.Schema(fields);
  return new arrow.RecordBatch(schema, arrow.makeData({ type: new arrow.Struct(fields), length, children }));
}

function checkType(type: unknown): void {
  const isList = isObject(type) && Object.keys(type).length === 1;
  if (isList && "list" in type) checkType(type.list);
  else if (typeof type !== "string" || !plainTypes.has(type)) {
    throw new VillaError(
      "InvalidArgument",
      `A column's type is one of ${[...plainTypes].join(", ")} or { list: type }, not ${describe(type)}.`,
    );
  }
}

const plainTypes: ReadonlySet<string> = new Set(["int64", "int32", "float64", "float32", "bool", "string"]);

function arrowType(arrow: Arrow, type: FeatherType): DataType {
  if (typeof type === "object") return new arrow.List(listField(arrow, type.list));
  switch (type) {
    case "int64":
      return new arrow.Int64();
    case "int32":
      return new arrow.Int32();
    case "float64":
      return new arrow.Float64();
    case "float32":
      return new arrow.Float32();
    case "bool":
      return new arrow.Bool();
    case "string":
      return new arrow.Utf8();
  }
}

/** "item" is what pyarrow calls the elements of a list. */
function listField(arrow: Arrow, type: FeatherType): Field {
  return new arrow.Field("item", arrowType(arrow, type), true);
}

function columnData(arrow: Arrow, name: string, type: FeatherType, values: readonly unknown[]): Data {
  const { length } = values;
  const { nullCount, nullBitmap } = validity(values);
  const common = { type: arrowType(arrow, type), length, nullCount, nullBitmap };
  const wrong = (i: number) =>
    new VillaError(
      "InvalidArgument",
      `Column ${quote(name)} cannot hold ${describe(values[i])} as ${JSON.stringify(type)}.`,
    );
  if (typeof type === "object") {
    const { valueOffsets, items } = flatten(values, wrong);
    const child = columnData(arrow, name, type.list, items);
    return arrow.makeData({ ...common, type: common.type as InstanceType<Arrow["List"]>, valueOffsets, child });
  }
  if (type === "string") {
    const { valueOffsets, data } = encodeStrings(values, wrong);
    return arrow.makeData({ ...common, type: common.type as InstanceType<Arrow["Utf8"]>, valueOffsets, data });
  }
  return arrow.makeData({ ...common, data: encodeNumbers(type, values, wrong) } as Parameters<Arrow["makeData"]>[0]);
}

function validity(values: readonly unknown[]): { nullCount: number; nullBitmap: Uint8Array | null } {
  let nullCount = 0;
  for (const value of values) if (value === null || value === undefined) nullCount++;
  if (nullCount === 0) return { nullCount, nullBitmap: null };
  const nullBitmap = new Uint8Array((values.length + 7) >> 3);
  for (const [i, value] of values.entries()) {
    if (value !== null && value !== undefined) nullBitmap[i >> 3]! |= 1 << (i & 7);
  }
  return { nullCount, nullBitmap };
}

type Wrong = (index: number) => VillaError;

function flatten(values: readonly unknown[], wrong: Wrong): { valueOffsets: Int32Array; items: unknown[] } {
  const valueOffsets = new Int32Array(values.length + 1);
  const items: unknown[] = [];
  for (const [i, value] of values.entries()) {
    if (Array.isArray(value) || ArrayBuffer.isView(value)) for (const item of value as unknown[]) items.push(item);
    else if (value !== null && value !== undefined) throw wrong(i);
    valueOffsets[i + 1] = items.length;
  }
  return { valueOffsets, items };
}

function encodeStrings(values: readonly unknown[], wrong: Wrong): { valueOffsets: Int32Array; data: Uint8Array } {
  const texts = values.map((value, i) => {
    if (typeof value === "string") return value;
    if (value !== null && value !== undefined) throw wrong(i);
    return "";
  });
  const encoder = new TextEncoder();
  const joined = texts.join("");
  const data = encoder.encode(joined);
  if (data.length > 0x7fffffff)
    throw new VillaError(
      "InvalidArgument",
      "A column has more than 2 GiB of text in one batch of rows; write fewer rows at once.",
    );
  // All ASCII: characters are bytes, and one call has encoded the column.
  const ascii = data.length === joined.length;
  const valueOffsets = new Int32Array(texts.length + 1);
  const parts = ascii ? [] : texts.map((text) => encoder.encode(text));
  for (let i = 0; i < texts.length; i++) {
    valueOffsets[i + 1] = valueOffsets[i]! + (ascii ? texts[i]!.length : parts[i]!.length);
  }
  if (ascii) return { valueOffsets, data };
  // Not `data`: a lone surrogate at the end of one string could have joined one at the start of the next.
  const bytes = new Uint8Array(valueOffsets[texts.length]!);
  for (const [i, part] of parts.entries()) bytes.set(part, valueOffsets[i]!);
  return { valueOffsets, data: bytes };
}

function encodeNumbers(type: Exclude<FeatherType, "string" | object>, values: readonly unknown[], wrong: Wrong) {
  const { length } = values;
  if (type === "bool") {
    const bits = new Uint8Array((length + 7) >> 3);
    for (let i = 0; i < length; i++) {
      const value = values[i] ?? false;
      if (typeof value !== "boolean") throw wrong(i);
      if (value) bits[i >> 3]! |= 1 << (i & 7);
    }
    return bits;
  }
  if (type === "int64") return encodeInt64(values, wrong);
  const out = { int32: Int32Array, float64: Float64Array, float32: Float32Array }[type];
  const numbers = new out(length);
  for (let i = 0; i < length; i++) {
    const value = values[i] ?? 0;
    if (typeof value !== "number" || (type === "int32" && (value | 0) !== value)) throw wrong(i);
    numbers[i] = value;
  }
  return numbers;
}

function encodeInt64(values: readonly unknown[], wrong: Wrong): BigInt64Array {
  const out = new BigInt64Array(values.length);
  // Both halves by arithmetic: a bigint for each number would take most of the time of writing a dataset.
  const halves = new Int32Array(out.buffer);
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    if (typeof value === "bigint" && BigInt.asIntN(64, value) === value) out[i] = value;
    else if (Number.isSafeInteger(value)) {
      halves[2 * i] = (value as number) | 0;
      halves[2 * i + 1] = Math.floor((value as number) / 2 ** 32);
    } else throw wrong(i);
  }
  return out;
}

interface Sink {
  write(batch: RecordBatch): void;
  finish(): void;
  /** Bytes written since the last call. */
  take(): Uint8Array;
}

function createSink(arrow: Arrow, lz4: boolean): Sink {
  const chunks: Uint8Array[] = [];

  /** Arrow's writer, writing to `chunks`. */
  class Writer extends arrow.RecordBatchFileWriter {
    protected override _write(chunk: unknown): this {
      if (!this._started || !ArrayBuffer.isView(chunk)) return this;
      // A copy: Arrow may hand out views of the caller's arrays.
      chunks.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength).slice());
      this._position += chunk.byteLength;
      return this;
    }

    /** apache-arrow 21 puts compressed lengths where the format wants uncompressed ones, which others cannot read. */
    protected override _compressBodyBuffers(buffers: ArrayBufferView[]) {
      const result = super._compressBodyBuffers(buffers);
      for (const [i, { byteLength }] of buffers.entries()) {
        const prefix = result.buffers[2 * i]!;
        if (prefix.byteLength === 0) continue;
        const length = new DataView(prefix.buffer, prefix.byteOffset, 8);
        if (length.getBigInt64(0, true) !== -1n) length.setBigInt64(0, BigInt(byteLength), true);
      }
      return result;
    }
  }
  const writer = new Writer(lz4 ? { compressionType: arrow.CompressionType.LZ4_FRAME } : undefined);
  return {
    write: (batch) => void writer.write(batch),
    finish: () => void writer.finish(),
    take: () => concatenate(chunks.splice(0)),
  };
}

function concatenate(chunks: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}
