import { VillaError } from "../../errors.ts";
import { CheckedTable, damaged } from "./flatbuffer.ts";

// Field numbers below are those of Arrow's File.fbs, Message.fbs and Schema.fbs.

const magicLength = 8; // "ARROW1" and padding
const tailLength = 10; // footer length and "ARROW1"
const dictionaryBatch = 2;
const recordBatch = 3;
const deepest = 32;
const mostFields = 10_000;
const unionType = 14;

/**
 * Checks an Arrow IPC file's structure before apache-arrow, which trusts it, reads it: every offset and length inside
 * the file, every count as large as the bytes that hold it.
 *
 * @throws VillaError `InvalidFile`; `Unsupported` for union columns
 */
export function verifyArrowFile(bytes: Uint8Array): void {
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
  verifyBlocks(bytes.subarray(0, footerStart), footer.int64s(2, 24), dictionaryBatch);
  verifyBlocks(bytes.subarray(0, footerStart), footer.int64s(3, 24), recordBatch);
}

function verifySchema(schema: CheckedTable): void {
  const budget = { left: mostFields };
  for (const field of schema.tables(1)) verifyField(field, 0, budget);
  verifyKeyValues(schema, 2);
}

function verifyField(field: CheckedTable, depth: number, budget: { left: number }): void {
  if (depth > deepest || budget.left-- <= 0) throw damaged();
  field.checkString(0);
  if (field.uint8(2) === unionType) throw new VillaError("Unsupported", "Feather columns of unions cannot be read.");
  field.table(3);
  field.table(4)?.table(1);
  verifyKeyValues(field, 6);
  for (const child of field.tables(5)) verifyField(child, depth + 1, budget);
}

function verifyKeyValues(owner: CheckedTable, field: number): void {
  for (const pair of owner.tables(field)) {
    pair.checkString(0);
    pair.checkString(1);
  }
}

/** @param blocks offset, metadata length (lower half), body length of each, as in the footer's struct `Block` */
function verifyBlocks(bytes: Uint8Array, blocks: readonly number[], kind: number): void {
  for (let i = 0; i < blocks.length; i += 3) {
    const offset = blocks[i]!;
    const metadataLength = blocks[i + 1]! % 2 ** 32; // the upper half of the struct's second word is padding
    const bodyLength = blocks[i + 2]!;
    const bodyStart = offset + metadataLength;
    const inside = offset >= magicLength && metadataLength >= 8 && bodyLength >= 0;
    if (!(inside && bodyStart + bodyLength <= bytes.length)) throw damaged();
    verifyMessage(bytes.subarray(offset, bodyStart), bodyLength, kind);
  }
}

function verifyMessage(bytes: Uint8Array, blockBody: number, kind: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // Since 0.15 a marker of four 255s precedes the length.
  const start = view.getInt32(0, true) === -1 ? 8 : 4;
  const length = view.getInt32(start - 4, true);
  if (!(length > 0 && start + length <= bytes.length)) throw damaged();
  const message = CheckedTable.root(bytes.subarray(start, start + length));
  const header = message.table(2);
  const bodyLength = message.int64(3);
  if (!header || message.uint8(1) !== kind || !(bodyLength >= 0 && bodyLength <= blockBody)) throw damaged();
  verifyKeyValues(message, 4);
  const batch = kind === dictionaryBatch ? header.table(1) : header;
  if (!batch) throw damaged();
  verifyBatch(batch, bodyLength);
}

function verifyBatch(batch: CheckedTable, bodyLength: number): void {
  const rows = batch.int64(0);
  if (!(rows >= 0 && rows < 2 ** 31)) throw damaged();
  const nodes = batch.int64s(1, 16);
  for (let i = 0; i < nodes.length; i += 2) {
    const length = nodes[i]!;
    const nulls = nodes[i + 1]!;
    if (!(length >= 0 && length < 2 ** 31 && nulls >= 0 && nulls <= length)) throw damaged();
  }
  const buffers = batch.int64s(2, 16);
  for (let i = 0; i < buffers.length; i += 2) {
    const offset = buffers[i]!;
    const length = buffers[i + 1]!;
    if (!(offset >= 0 && length >= 0 && offset + length <= bodyLength)) throw damaged();
  }
  batch.table(3);
  for (const count of batch.int64s(4)) if (!(count >= 0 && count <= buffers.length / 2)) throw damaged();
}
