import { readFileBytes } from "@villa/data/node";
import { imageOf } from "../../row.ts";
import type { TableRecord } from "../../table-record.ts";
import { fileStart, framePath, pathInside } from "../images.ts";
import { countFrames, isDicom } from "./read-dicom.ts";

/** A row of a table, or of one frame of its file. */
export type FrameRecord = TableRecord & {
  /** Number of the table's row. */
  readonly row: number;
  /** Counted from 0; undefined where a row is one image. */
  readonly frame?: number | undefined;
  /** The file of many frames, which would else be read for each of them. */
  readonly file?: Uint8Array | undefined;
};

/** Fewer frames read their file again: rows at work hold their files in memory, and should not hold many. */
const manyFrames = 4;

/**
 * The rows of a table, with a row for each frame of a DICOM file that has several. A row that names a frame keeps it alone.
 *
 * @param column of the images
 * @param folder that paths begin in
 */
export async function* frameRecords(
  records: AsyncIterable<TableRecord>,
  { column, folder }: { readonly column: string; readonly folder: string },
): AsyncGenerator<FrameRecord> {
  let number = 0;
  for await (const record of records) {
    const { frames, bytes } = record.values ? await framesOf(record.values[column], folder) : one;
    const file = frames >= manyFrames ? bytes : undefined;
    for (let frame = 0; frame < frames; frame++) {
      yield { ...record, row: record.number, number: number++, frame: frames > 1 ? frame : undefined, file };
    }
  }
}

const one: { readonly frames: number; readonly bytes?: Uint8Array | undefined } = { frames: 1 };

/** 1 for a file that cannot be read, too: the error is reported with its row. */
async function framesOf(value: unknown, folder: string): Promise<typeof one> {
  try {
    const { image, bytes } = imageOf(value, 0);
    if (framePath(image).frame !== undefined) return one;
    if (bytes) return isDicom(bytes) ? { frames: await countFrames(bytes) } : one;
    const path = pathInside(image, folder);
    if (!isDicom(await fileStart(path, 132))) return one;
    const file = await readFileBytes(path);
    return { frames: await countFrames(file), bytes: file };
  } catch {
    return one;
  }
}
