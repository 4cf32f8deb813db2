import { CheckedTable, damaged } from "./flatbuffer.ts";
import { type ColumnLayout, checkColumns, readLayouts } from "./layout.ts";

// Field numbers below are those of Arrow's File.fbs, Message.fbs and Schema.fbs.

const magicLength = 8; // "ARROW1" and padding
const tailLength = 10; // footer length and "ARROW1"
const dictionaryBatch = 2;
const recordBatch = 3;
const deepest = 32;

/**
 * Checks an Arrow IPC file's structure before apache-arrow, which trusts it, reads it: every offset and length inside
 * the file, every count as large as the bytes that hold it.
 *
 * @returns the number of rows
 * @throws VillaError `InvalidFile`; `Unsupported` for columns of unions and other rare types
 */
export function verifyArrowFile(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const footerEnd = bytes.length - tailLength;
  const footerLength = view.getInt32(footerEnd, true);
  const footerStart = footerEnd - footerLength;
  if (!(footerLength > 0 && footerStart >= magicLength)) throw damaged();
  const footer = CheckedTable.root(bytes.subarray(footerStart, footerEnd));
  const schema = footer.table(1);
  if (!schema) throw damaged();
  verifySchema(schema);
  verifyKeyValues(footer, 4);
  const { columns, dictionaries } = readLayouts(schema);
  const contents = bytes.subarray(0, footerStart);
  verifyBlocks(contents, footer.int64s(2, 24), dictionaryBatch, (id) => {
    const layout = dictionaries.get(id);
    if (!layout) throw damaged();
    return [layout];
  });
  return verifyBlocks(contents, footer.int64s(3, 24), recordBatch, () => columns);
}

function verifySchema(schema: CheckedTable): void {
  const verifyField = (field: CheckedTable, depth: number): void => {
    if (depth > deepest) throw damaged();
    verifyKeyValues(field, 6);
    for (const child of field.tables(5)) verifyField(child, depth + 1);
  };
  for (const field of schema.tables(1)) verifyField(field, 0);
  verifyKeyValues(schema, 2);
}

function verifyKeyValues(owner: CheckedTable, field: number): void {
  for (const pair of owner.tables(field)) {
    pair.checkString(0);
    pair.checkString(1);
  }
}

/** The columns of a batch: the schema's, or those of the dictionary of the given number. */
type ColumnsOf = (dictionary: number) => readonly ColumnLayout[];

/** @param blocks offset, metadata length (lower half), body length of each, as in the footer's struct `Block` */
function verifyBlocks(bytes: Uint8Array, blocks: readonly number[], kind: number, columns: ColumnsOf): number {
  let rows = 0;
  for (let i = 0; i < blocks.length; i += 3) {
    const offset = blocks[i]!;
    const metadataLength = blocks[i + 1]! % 2 ** 32; // the upper half of the struct's second word is padding
    const bodyLength = blocks[i + 2]!;
    const bodyStart = offset + metadataLength;
    const inside = offset >= magicLength && metadataLength >= 8 && bodyLength >= 0;
    if (!(inside && bodyStart + bodyLength <= bytes.length)) throw damaged();
    const body = bytes.subarray(bodyStart, bodyStart + bodyLength);
    rows += verifyMessage(bytes.subarray(offset, bodyStart), body, kind, columns);
  }
  return rows;
}

function verifyMessage(bytes: Uint8Array, body: Uint8Array, kind: number, columns: ColumnsOf): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // Since 0.15 a marker of four 255s precedes the length.
  const start = view.getInt32(0, true) === -1 ? 8 : 4;
  const length = view.getInt32(start - 4, true);
  if (!(length > 0 && start + length <= bytes.length)) throw damaged();
  const message = CheckedTable.root(bytes.subarray(start, start + length));
  const header = message.table(2);
  const bodyLength = message.int64(3);
  if (!header || message.uint8(1) !== kind || !(bodyLength >= 0 && bodyLength <= body.length)) throw damaged();
  verifyKeyValues(message, 4);
  const isDictionary = kind === dictionaryBatch;
  const batch = isDictionary ? header.table(1) : header;
  if (!batch) throw damaged();
  return verifyBatch(batch, body.subarray(0, bodyLength), columns(isDictionary ? header.int64(0) : 0));
}

function verifyBatch(batch: CheckedTable, body: Uint8Array, columns: readonly ColumnLayout[]): number {
  const rows = batch.int64(0);
  if (!(rows >= 0 && rows < 2 ** 31)) throw damaged();
  const nodes = batch.int64s(1, 16);
  for (let i = 0; i < nodes.length; i += 2) {
    const length = nodes[i]!;
    const nulls = nodes[i + 1]!;
    if (!(length >= 0 && length < 2 ** 31 && nulls >= 0 && nulls <= length)) throw damaged();
  }
  const isCompressed = batch.table(3) !== undefined;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const sizes: number[] = [];
  const buffers = batch.int64s(2, 16);
  for (let i = 0; i < buffers.length; i += 2) {
    const offset = buffers[i]!;
    const length = buffers[i + 1]!;
    if (!(offset >= 0 && length >= 0 && offset + length <= body.length)) throw damaged();
    // Compressed buffers begin with their size; -1 stands for one that is not compressed after all.
    const declared = isCompressed && length >= 8 ? Number(view.getBigInt64(offset, true)) : length;
    sizes.push(declared === -1 && isCompressed ? length - 8 : declared);
  }
  checkColumns(columns, rows, { nodes, sizes, viewBuffers: batch.int64s(4) });
  return rows;
}
