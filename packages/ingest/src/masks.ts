import {
  type Box,
  decodeLabelMap,
  encodeRle,
  isVillaError,
  parseSegmentation,
  type Rle,
  rleArea,
  rleBox,
  VillaError,
} from "@villa/data";
import type { TableRow } from "./row.ts";

/** A row whose masks are read: every region has a box. */
export interface MaskedRow extends Omit<TableRow, "boxes" | "masks"> {
  readonly boxes?: readonly Box[] | undefined;
  /** Of each box, of the size of the picture as the table has it. */
  readonly masks?: readonly (Rle | undefined)[] | undefined;
}

interface Size {
  readonly width: number;
  readonly height: number;
}

type FileReader = (path: string) => Promise<Uint8Array>;

/** A picture with more labels than this is not a label map but a photograph. */
const mostLabels = 1000;

/**
 * Reads a row's masks. A region without a box of its own gets that of its mask.
 *
 * @param size of the picture, in whose pixels masks count
 * @param readFile reads a file by its path in the table
 * @param onBadBox hears what is wrong with a mask, whose region is then left out unless it is the only one
 * @throws VillaError `InvalidFile`
 */
export async function readMasks(
  row: TableRow,
  { size, readFile, onBadBox }: { size: Size; readFile: FileReader; onBadBox: (problem: string) => void },
): Promise<MaskedRow> {
  if (row.labelMap !== undefined) return labelledRow(row, row.labelMap, { size, readFile });
  const { boxes, masks, ...rest } = row;
  if (!masks || !boxes) return { ...rest, boxes: boxes as readonly Box[] | undefined };
  const read: (Rle | undefined)[] = [];
  const kept: number[] = [];
  const problems: string[] = [];
  for (const [i, mask] of masks.entries()) {
    try {
      read.push(mask === undefined ? undefined : await readMask(mask, size, readFile));
      kept.push(i);
    } catch (error) {
      if (!isVillaError(error)) throw error;
      const name = row.boxNames?.[i] ?? `mask ${i}`;
      problems.push(
        `the mask of ${name.replace(/^mask /, "region ").replace(/,$/, "")} cannot be used: ${clause(error.message)}`,
      );
    }
  }
  if (kept.length === 0) throw new VillaError("InvalidFile", problems[0]!);
  for (const problem of problems) onBadBox(problem);
  return {
    ...rest,
    boxes: kept.map((i, at) => boxes[i] ?? boxOf(read[at]!)),
    boxNames: row.boxNames && kept.map((i) => row.boxNames![i]!),
    regionAttributes: row.regionAttributes && kept.map((i) => row.regionAttributes![i]!),
    masks: read,
  };
}

/** One region for each label but 0, in ascending order. */
async function labelledRow(
  { boxes: _, masks: __, ...row }: TableRow,
  path: string,
  { size, readFile }: { size: Size; readFile: FileReader },
): Promise<MaskedRow> {
  const labels = await readLabels(path, size, readFile).catch((error: unknown) => {
    if (!isVillaError(error)) throw error;
    throw new VillaError("InvalidFile", `its label map ${path} cannot be used: ${clause(error.message)}`);
  });
  const found = [...new Set(labels)].filter((label) => label > 0).sort((a, b) => a - b);
  if (found.length === 0) throw new VillaError("InvalidFile", `its label map ${path} has no label but 0`);
  if (found.length > mostLabels) {
    throw new VillaError("InvalidFile", `its label map ${path} has ${found.length} labels; is it a photograph?`);
  }
  const { labelAttributes } = row;
  const stranger = Object.keys(labelAttributes ?? {}).find((label) => !found.some((each) => label === String(each)));
  if (stranger !== undefined) {
    throw new VillaError(
      "InvalidFile",
      `its label map ${path} has no label ${stranger}, but its region attributes have`,
    );
  }
  const masks = found.map((label) =>
    encodeRle(
      labels.map((each) => (each === label ? 1 : 0)),
      size,
    ),
  );
  return {
    ...row,
    boxes: masks.map(boxOf),
    boxNames: found.map((label) => `label ${label}`),
    regionAttributes: labelAttributes && found.map((label) => labelAttributes[label] ?? []),
    masks,
  };
}

/** @throws VillaError for a mask that cannot be read, or has no pixel */
async function readMask(mask: unknown, size: Size, readFile: FileReader): Promise<Rle> {
  const rle =
    typeof mask === "string" ? encodeRle(await readLabels(mask, size, readFile), size) : parseSegmentation(mask, size);
  if (rleArea(rle) === 0) throw new VillaError("InvalidFile", "It has no pixel in the picture.");
  return rle;
}

/** [height, width] labels of a PNG of the picture's size. */
async function readLabels(path: string, size: Size, readFile: FileReader): Promise<Uint32Array> {
  const { width, height, labels } = await decodeLabelMap(await readFile(path));
  if (width === size.width && height === size.height) return labels;
  throw new VillaError(
    "Mismatch",
    `It has ${width} × ${height} pixels, but its picture has ${size.width} × ${size.height}.`,
  );
}

function boxOf(mask: Rle): Box {
  const [x, y, width, height] = rleBox(mask);
  return [x, y, x + width, y + height];
}

/** A sentence as a part of another. */
function clause(sentence: string): string {
  const text = sentence.replace(/\.$/, "");
  return /^(It|The) /.test(text) ? text[0]!.toLowerCase() + text.slice(1) : text;
}
