import { VillaError } from "../../errors.ts";
import { type CheckedTable, damaged } from "./flatbuffer.ts";

// Field numbers and type numbers are those of Arrow's Schema.fbs and Message.fbs.

/** Which buffers a column has, and how many bytes of them its values need. */
export interface ColumnLayout {
  readonly kind: "none" | "fixed" | "text" | "view" | "list" | "struct" | "fixed-list";
  /** Bits of a value, or of an offset of texts and lists. */
  readonly bits: number;
  readonly children: readonly ColumnLayout[];
  /** Items of each list of fixed size. */
  readonly listSize: number;
}

const deepest = 32;
const mostFields = 10_000;
/** Number of the type → how it is laid out. Unions, run-ends and list views are not read. */
const names =
  "None Null Int FloatingPoint Binary Utf8 Bool Decimal Date Time Timestamp Interval List Struct Union FixedSizeBinary FixedSizeList Map Duration LargeBinary LargeUtf8 LargeList RunEndEncoded BinaryView Utf8View ListView LargeListView".split(
    " ",
  );

/** Reads the layouts of a schema's columns, and those of the dictionaries they refer to, by number. */
export function readLayouts(schema: CheckedTable): {
  readonly columns: readonly ColumnLayout[];
  readonly dictionaries: ReadonlyMap<number, ColumnLayout>;
} {
  const dictionaries = new Map<number, ColumnLayout>();
  let left = mostFields;

  const read = (field: CheckedTable, depth: number): ColumnLayout => {
    if (depth > deepest || left-- <= 0) throw damaged();
    field.checkString(0);
    const children = field.tables(5).map((child) => read(child, depth + 1));
    const values = valueLayout(field.uint8(2), field.table(3), children);
    const encoding = field.table(4);
    if (!encoding) return values;
    dictionaries.set(encoding.int64(0), values);
    return { kind: "fixed", bits: encoding.table(1)?.int32(0) ?? 32, children: [], listSize: 0 };
  };
  return { columns: schema.tables(1).map((field) => read(field, 0)), dictionaries };
}

function valueLayout(type: number, table: CheckedTable | undefined, children: readonly ColumnLayout[]): ColumnLayout {
  const layout = (kind: ColumnLayout["kind"], bits: number, listSize = 0): ColumnLayout => {
    const wanted = kind === "list" || kind === "fixed-list" ? 1 : kind === "struct" ? children.length : 0;
    if (children.length !== wanted) throw damaged();
    return { kind, bits, children, listSize };
  };
  const number = (field: number): number => table?.int32(field) ?? 0;
  switch (names[type]) {
    case "Null":
      return layout("none", 0);
    case "Int":
      return layout("fixed", number(0));
    case "FloatingPoint":
      return layout("fixed", [16, 32, 64][table?.int16(0) ?? 0] ?? 0);
    case "Bool":
      return layout("fixed", 1);
    case "Date":
      // 0 days, 1 milliseconds (the default)
      return layout("fixed", (table?.int16(0, 1) ?? 1) === 0 ? 32 : 64);
    case "Time":
      return layout("fixed", table?.int32(1, 32) ?? 32);
    case "Decimal":
      return layout("fixed", table?.int32(2, 128) ?? 128);
    case "Interval":
      return layout("fixed", [32, 64, 128][table?.int16(0) ?? 0] ?? 0);
    case "BinaryView":
    case "Utf8View":
      return layout("view", 128);
    case "Timestamp":
    case "Duration":
      return layout("fixed", 64);
    case "FixedSizeBinary":
      return layout("fixed", 8 * number(0));
    case "Binary":
    case "Utf8":
      return layout("text", 32);
    case "LargeBinary":
    case "LargeUtf8":
      return layout("text", 64);
    case "List":
    case "Map":
      return layout("list", 32);
    case "LargeList":
      return layout("list", 64);
    case "Struct":
      return layout("struct", 0);
    case "FixedSizeList":
      return layout("fixed-list", 0, number(0));
    default:
      throw new VillaError("Unsupported", `Feather columns of type ${names[type] ?? type} cannot be read.`);
  }
}

/** A batch's list of nodes (length and null count of each column, depth first) and buffers. */
export interface BatchParts {
  readonly nodes: readonly number[];
  /** Bytes that each buffer holds, decompressed. */
  readonly sizes: readonly number[];
  /** Further buffers of each column of views. */
  readonly viewBuffers: readonly number[];
}

/**
 * Checks that every column is as long as the batch says and its buffers hold as many values, so that nothing is
 * allocated on the word of a row count.
 *
 * @throws VillaError `InvalidFile`
 */
export function checkColumns(
  columns: readonly ColumnLayout[],
  rows: number,
  { nodes, sizes, viewBuffers }: BatchParts,
): void {
  let node = 0;
  let buffer = 0;
  let view = 0;
  const nextSize = (): number => {
    const size = sizes[buffer++];
    if (size === undefined) throw damaged();
    return size;
  };
  const need = (bits: number): void => {
    if (!(nextSize() * 8 >= bits)) throw damaged();
  };
  const check = (layout: ColumnLayout, expected: number | undefined): void => {
    const length = nodes[node++];
    const nulls = nodes[node++];
    if (length === undefined || nulls === undefined || (expected !== undefined && length !== expected)) throw damaged();
    if (!(layout.bits >= 0 && layout.listSize >= 0)) throw damaged();
    if (layout.kind === "none") return;
    need(nulls > 0 ? length : 0);
    if (layout.kind === "fixed" || layout.kind === "view") need(layout.bits * length);
    // A column of no rows may have no offsets at all.
    if (layout.kind === "text" || layout.kind === "list") need(length === 0 ? 0 : layout.bits * (length + 1));
    if (layout.kind === "text") nextSize();
    if (layout.kind === "view") for (let count = viewBuffers[view++] ?? 0; count > 0; count--) nextSize();
    for (const child of layout.children) {
      const isList = layout.kind === "list";
      check(child, isList ? undefined : layout.kind === "struct" ? length : length * layout.listSize);
    }
  };
  for (const column of columns) check(column, rows);
  if (node !== nodes.length) throw damaged();
}
