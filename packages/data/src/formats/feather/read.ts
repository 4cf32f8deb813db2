import { isVillaError, VillaError } from "../../errors.ts";
import { checkBytes } from "../check-arguments.ts";
import { describe } from "../describe.ts";
import { Allowance, type ReadLimits } from "../limits.ts";
import { otherKind } from "../recognize.ts";
import { loadArrow, withAllowance } from "./arrow.ts";
import { columnValues } from "./columns.ts";
import { verifyArrowFile } from "./verify.ts";

/** The contents of a Feather file. Columns are converted when asked for. */
export interface FeatherTable {
  readonly rowCount: number;
  readonly columnNames: readonly string[];
  /** The file's own key-value metadata, e.g. pandas' description of its index. */
  readonly metadata: ReadonlyMap<string, string>;
  /**
   * One column: numbers (bigint beyond 2^53), strings, booleans, bytes, nested arrays for lists, null.
   *
   * @throws VillaError `InvalidFile` when there is no such column
   */
  column(name: string): unknown[];
  /** All columns, row by row. */
  rows(): Record<string, unknown>[];
}

/** Bytes that a row as an object takes, about. */
const rowCost = 100;
const arrowMagic = "ARROW1";

/**
 * Reads a Feather (version 2) file or any other Arrow IPC file, uncompressed or compressed with LZ4 or ZSTD, as pandas,
 * pyarrow and polars write it.
 *
 * @throws VillaError `InvalidFile` when it is damaged, `Unsupported` for Feather version 1, `UnsafeFile` when it would
 *   take more memory than allowed
 */
export async function readFeather(bytes: Uint8Array, limits: ReadLimits = {}): Promise<FeatherTable> {
  checkBytes(bytes);
  checkMagic(bytes);
  const allowance = new Allowance(bytes.length, limits);
  // Callers make an object of each row: its memory counts too.
  allowance.take(rowCost * verifyArrowFile(bytes), "The table");
  const arrow = await loadArrow();
  const table = guarded(() => withAllowance(allowance, () => arrow.tableFromIPC(aligned(bytes))));
  const columnNames = table.schema.fields.map((field) => field.name);
  const column = (name: string): unknown[] => {
    const index = columnNames.indexOf(name);
    const vector = index < 0 ? null : table.getChildAt(index);
    if (!vector) throw new VillaError("InvalidFile", `The Feather file has no column ${describe(name)}.`);
    const values = guarded(() => columnValues(arrow, vector, allowance));
    if (values.length !== table.numRows)
      throw new VillaError("InvalidFile", "The Feather file is damaged: its columns differ in length.");
    return values;
  };
  return {
    rowCount: table.numRows,
    columnNames,
    metadata: table.schema.metadata,
    column,
    rows() {
      const columns = columnNames.map((name) => [name, column(name)] as const);
      return Array.from({ length: table.numRows }, (_, i) =>
        Object.fromEntries(columns.map(([name, values]) => [name, values[i]])),
      );
    },
  };
}

function checkMagic(bytes: Uint8Array): void {
  const starts = (text: string, at: number) => [...text].every((c, i) => bytes[at + i] === c.charCodeAt(0));
  if (starts("FEA1", 0)) {
    throw new VillaError("Unsupported", "The file is in Feather's version 1; write it again with a newer pandas.");
  }
  if (!starts(arrowMagic, 0))
    throw new VillaError("InvalidFile", `This is not a Feather (Arrow IPC) file${otherKind(bytes)}.`);
  if (bytes.length < 26 || !starts(arrowMagic, bytes.length - arrowMagic.length)) {
    throw new VillaError("InvalidFile", "The Feather file is truncated.");
  }
}

/** Arrow makes 8-byte views at the file's own offsets, so the file has to start at a multiple of 8. */
function aligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
}

/** Arrow reports damage as whatever error it runs into. */
function guarded<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (isVillaError(cause)) throw cause;
    throw new VillaError("InvalidFile", "The Feather file is damaged.", { cause });
  }
}
