import { readFileBytes } from "@villa/data/node";
import { imageOf } from "../../row.ts";
import { fileStart, framePath, pathInside } from "../images.ts";
import type { TableRecord } from "../table/table-format.ts";
import { countFrames, isDicom } from "./read-dicom.ts";

/** A row of a table, or of one frame of its file. */
export type FrameRecord = TableRecord & {
  /** Number of the table's row. */
  readonly row: number;
  /** Counted from 0; undefined where a row is one image. */
  readonly frame?: number | undefined;
};

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
    const frames = record.values ? await framesOf(record.values[column], folder) : 1;
    for (let frame = 0; frame < frames; frame++) {
      yield { ...record, row: record.number, number: number++, frame: frames > 1 ? frame : undefined };
    }
  }
}

/** 1 for what cannot be read, too: what is wrong with it is said when its row is. */
async function framesOf(value: unknown, folder: string): Promise<number> {
  try {
    const { image, bytes } = imageOf(value, 0);
    if (framePath(image).frame !== undefined) return 1;
    if (bytes) return isDicom(bytes) ? await countFrames(bytes) : 1;
    const path = pathInside(image, folder);
    return isDicom(await fileStart(path, 132)) ? await countFrames(await readFileBytes(path)) : 1;
  } catch {
    return 1;
  }
}
