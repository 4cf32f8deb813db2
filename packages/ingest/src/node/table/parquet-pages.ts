import type { ColumnMetaData, SchemaTree } from "hyparquet";
import { parquetHeader } from "hyparquet/src/column.js";
import { decompressPage } from "hyparquet/src/datapage.js";
import { deltaBinaryUnpack } from "hyparquet/src/delta.js";
import { readRleBitPackedHybrid } from "hyparquet/src/encoding.js";
import { getMaxDefinitionLevel, getMaxRepetitionLevel } from "hyparquet/src/schema.js";
import { pageDecompressors } from "./parquet-compression.ts";
import { Cursor, checkThrift, isCount } from "./parquet-cursor.ts";

// hyparquet trusts what pages say of themselves: counts without bytes behind them fill the memory, and some runs never
// end. So everything that a page says about itself is compared with its bytes and with the chunk that it is in, before
// hyparquet sees it. Its own functions read the headers and the levels, so that both see the same.

/** What pages may cost, counted down over a row group. */
export interface ParquetBudget {
  /** Bytes after decompression. */
  bytes: number;
  /** Values of all columns. */
  values: number;
}

/** Longest run of bit-packed values behind the last one that is wanted: writers fill up their groups. */
const padding = 512;

/**
 * Compares the pages of a column chunk with what they hold.
 *
 * @param path of the column in the schema, the root first
 * @returns rows of the largest page
 * @throws Error with what is wrong, in a few words
 */
export function checkPages(
  bytes: ArrayBuffer,
  {
    metadata,
    path,
    rows,
    budget,
  }: { metadata: ColumnMetaData; path: SchemaTree[]; rows: number; budget: ParquetBudget },
): number {
  const page = pageChecker(metadata, path, budget);
  const view = new DataView(bytes);
  const reader = { view, offset: 0 };
  let [rowsSeen, valuesSeen, largest] = [0, 0, 0];
  // As hyparquet: what is left behind the last page may be a byte of filling.
  while (rowsSeen < rows || valuesSeen < Number(metadata.num_values)) {
    if (reader.offset >= view.byteLength - 1) break;
    checkThrift(view, reader.offset);
    const header = parquetHeader(reader);
    const size = header.compressed_page_size;
    if (!isCount(size) || size > view.byteLength - reader.offset) throw new Error("a page is longer than its column");
    if (!isCount(header.uncompressed_page_size)) throw new Error("a page has no size");
    const found = page(header, new Uint8Array(bytes, reader.offset, size));
    reader.offset += size;
    rowsSeen += found.rows;
    valuesSeen += found.values;
    largest = Math.max(largest, found.rows);
  }
  if (valuesSeen !== Number(metadata.num_values)) {
    throw new Error(`a column of ${metadata.num_values} values holds ${valuesSeen}`);
  }
  if (rowsSeen !== rows) throw new Error(`a group of ${rows} rows has a column of ${rowsSeen}`);
  return largest;
}

/** @returns a check of one page, which gives its rows and values */
function pageChecker(metadata: ColumnMetaData, path: SchemaTree[], budget: ParquetBudget) {
  const { codec, type } = metadata;
  const { type_length: fixedLength } = path.at(-1)!.element;
  const deepest = getMaxDefinitionLevel(path);
  const mostRepeated = getMaxRepetitionLevel(path);
  let dictionary: number | undefined;

  const decompress = (bytes: Uint8Array, length: number): Cursor => {
    budget.bytes -= length;
    if (budget.bytes < 0) throw new Error("its pages are larger than the limit when they are decompressed");
    return new Cursor(decompressPage(bytes, length, codec, pageDecompressors));
  };

  const countOf = (value: unknown): number => {
    if (!isCount(value)) throw new Error("a page has no count of values");
    budget.values -= value;
    if (budget.values < 0) throw new Error("it has more values than its size can stand for");
    return value;
  };

  /** Values of runs, each checked before it is decoded. */
  const runs = (cursor: Cursor, width: number, count: number, end: number): number[] => {
    checkRuns(cursor, { width, count, end });
    const values = new Array<number>(count);
    readRleBitPackedHybrid(cursor, width, values, end - cursor.offset);
    return values;
  };

  /** How many of `count` values have a level of `wanted`. */
  const levels = (cursor: Cursor, highest: number, count: number, end: number, wanted: number): number => {
    if (end > cursor.view.byteLength) throw new Error("levels are longer than their page");
    let found = 0;
    for (const level of runs(cursor, bits(highest), count, end)) {
      if (level > highest) throw new Error("a value is nested deeper than its column");
      if (level === wanted) found++;
    }
    cursor.offset = end;
    return found;
  };

  const delta = (cursor: Cursor, count: number): Int32Array => {
    checkDelta(cursor, count);
    const values = new Int32Array(count);
    if (count > 0) deltaBinaryUnpack(cursor, count, values);
    return values;
  };

  const plain = (cursor: Cursor, count: number): void => {
    if (type !== "BYTE_ARRAY") {
      const size = type === "BOOLEAN" ? 1 / 8 : sizeOf(type, fixedLength);
      if (count * size > cursor.left) throw new Error("a page holds fewer values than it says");
      return;
    }
    for (let i = 0; i < count; i++) cursor.skip(cursor.uint32());
  };

  const valuesOf = (cursor: Cursor, encoding: string | undefined, count: number, version: 1 | 2): void => {
    switch (encoding) {
      case "PLAIN":
        plain(cursor, count);
        return;
      case "PLAIN_DICTIONARY":
      case "RLE_DICTIONARY": {
        if (dictionary === undefined) throw new Error("a page refers to a dictionary that is not there");
        if (count === 0) return;
        const width = cursor.uint8();
        if (width > 32) throw new Error("an index is wider than 32 bits");
        // hyparquet takes a width of 0 for indices that are all 0, in pages of the first version.
        if (width === 0 && version === 1 && dictionary > 0) return;
        for (const index of runs(cursor, width, count, cursor.view.byteLength)) {
          if (index < 0 || index >= dictionary) throw new Error("a value is not in its dictionary");
        }
        return;
      }
      case "RLE": {
        if (type !== "BOOLEAN") throw new Error("runs of values that are not booleans");
        const length = cursor.uint32();
        if (length > cursor.left) throw new Error("runs are longer than their page");
        runs(cursor, 1, count, cursor.offset + length);
        return;
      }
      case "BYTE_STREAM_SPLIT":
        if (count * sizeOf(type, fixedLength) > cursor.left) throw new Error("a page holds fewer values than it says");
        return;
      case "DELTA_BINARY_PACKED":
        checkDelta(cursor, count);
        return;
      case "DELTA_LENGTH_BYTE_ARRAY":
        for (const length of delta(cursor, count)) cursor.skip(length);
        return;
      case "DELTA_BYTE_ARRAY": {
        const [prefixes, suffixes] = [delta(cursor, count), delta(cursor, count)];
        let before = 0;
        for (const [i, suffix] of suffixes.entries()) {
          const prefix = prefixes[i]!;
          if (prefix < 0 || prefix > before)
            throw new Error("a text shares more letters with the text before it than that one has");
          cursor.skip(suffix);
          before = prefix + suffix;
          budget.bytes -= before;
        }
        if (budget.bytes < 0) throw new Error("its texts are larger than the limit");
        return;
      }
      default:
        // hyparquet names what it does not know.
        return;
    }
  };

  return (header: ReturnType<typeof parquetHeader>, bytes: Uint8Array): { rows: number; values: number } => {
    const size = Number(header.uncompressed_page_size);
    if (header.dictionary_page_header && header.type === "DICTIONARY_PAGE") {
      dictionary = countOf(header.dictionary_page_header.num_values);
      plain(decompress(bytes, size), dictionary);
      return { rows: 0, values: 0 };
    }
    if (header.data_page_header && header.type === "DATA_PAGE") {
      const values = countOf(header.data_page_header.num_values);
      const cursor = decompress(bytes, size);
      const rows = mostRepeated ? levels(cursor, mostRepeated, values, cursor.uint32() + cursor.offset, 0) : values;
      const present = deepest ? levels(cursor, deepest, values, cursor.uint32() + cursor.offset, deepest) : values;
      valuesOf(cursor, header.data_page_header.encoding, present, 1);
      return { rows, values };
    }
    if (header.data_page_header_v2 && header.type === "DATA_PAGE_V2") {
      const said = header.data_page_header_v2;
      const values = countOf(said.num_values);
      const nested = new Cursor(bytes);
      const repetitions = nested.skip(said.repetition_levels_byte_length);
      const definitions = nested.skip(said.definition_levels_byte_length);
      nested.offset = 0;
      const rows = mostRepeated ? levels(nested, mostRepeated, values, repetitions, 0) : values;
      nested.offset = repetitions;
      const present = deepest ? levels(nested, deepest, values, definitions, deepest) : values;
      if (values - said.num_nulls !== present || rows !== said.num_rows)
        throw new Error("a page does not hold as many rows as it says");
      const rest = bytes.subarray(definitions);
      const cursor = said.is_compressed === false ? new Cursor(rest) : decompress(rest, size - definitions);
      valuesOf(cursor, said.encoding, present, 2);
      return { rows, values };
    }
    throw new Error("a page is of an unknown kind");
  };
}

/** No run goes further than the values that are wanted. Leaves the cursor where it was. */
function checkRuns(cursor: Cursor, { width, count, end }: { width: number; count: number; end: number }): void {
  const start = cursor.offset;
  let left = count;
  while (left > 0) {
    if (cursor.offset >= end) throw new Error("runs end before their values");
    const header = Number(cursor.varint());
    const isPacked = header % 2 === 1;
    const length = Math.floor(header / 2) * (isPacked ? 8 : 1);
    if (length > left + (isPacked ? padding : 0)) throw new Error("a run is longer than its page");
    const bytes = isPacked ? (length * width) / 8 : Math.ceil(width / 8);
    // The bytes of a last group may be cut short.
    if (!isPacked || length < left) cursor.skip(bytes);
    left -= length;
  }
  cursor.offset = start;
}

/** The blocks of delta-encoded numbers have the sizes that the format allows. Leaves the cursor where it was. */
function checkDelta(cursor: Cursor, count: number): void {
  if (count === 0) return;
  const start = cursor.offset;
  const [block, miniblocks, total] = [cursor.varint(), cursor.varint(), cursor.varint()].map(Number) as [
    number,
    number,
    number,
  ];
  const isSound = block > 0 && block <= 2 ** 16 && miniblocks > 0 && (block / miniblocks) % 8 === 0;
  if (!isSound || total !== count) throw new Error("numbers are in blocks of an impossible size");
  cursor.offset = start;
}

/** Bytes of a value. */
function sizeOf(type: string | undefined, fixedLength: number | undefined): number {
  const size = type === "FIXED_LEN_BYTE_ARRAY" ? fixedLength : sizes.get(type ?? "");
  if (!size || size < 0) throw new Error(`values of the type ${type} are of no known size`);
  return size;
}

const sizes = new Map([
  ["INT32", 4],
  ["FLOAT", 4],
  ["INT64", 8],
  ["DOUBLE", 8],
  ["INT96", 12],
]);

function bits(value: number): number {
  return 32 - Math.clz32(value);
}
