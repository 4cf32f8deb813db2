import type { DataSet } from "dicom-parser";

/** Centre and width of the values that are told apart, after rescaling; in CT Hounsfield units. */
export type Window = readonly [centre: number, width: number];

/**
 * Turns stored values into grey levels of 0 … 255, as the file says that they are to be shown.
 *
 * @param options `window`: in place of the file's windows and tables
 */
export function greyLevels(
  dataSet: DataSet,
  values: Int32Array,
  { window }: { readonly window?: Window | undefined } = {},
): Uint8Array {
  const modality = modalityTransform(dataSet);
  const measured = Float64Array.from(values, modality);
  const shown = window ? linear(window) : voiTransform(dataSet, measured, values);
  const inverted = dataSet.string("x00280004")?.trim() === "MONOCHROME1";
  return Uint8Array.from(measured, (value) => {
    const level = Math.floor(255 * Math.min(1, Math.max(0, shown(value))) + 0.5);
    return inverted ? 255 - level : level;
  });
}

/** A table of a sequence's first item: value → entry. */
interface Table {
  readonly look: (value: number) => number;
  /** Lowest and highest entry that the bits of an entry allow. */
  readonly most: number;
}

/** Rescale slope and intercept, or the modality's table. @see PS3.3, C.11.1 */
function modalityTransform(dataSet: DataSet): (value: number) => number {
  const table = tableOf(dataSet, "x00283000");
  if (table) return table.look;
  const [slope, intercept] = [dataSet.floatString("x00281053") ?? 1, dataSet.floatString("x00281052") ?? 0];
  return (value) => value * slope + intercept;
}

/** The file's first window or table, else from the least to the greatest value. @see PS3.3, C.11.2 */
function voiTransform(dataSet: DataSet, measured: Float64Array, stored: Int32Array): (value: number) => number {
  const [centre, width] = [dataSet.floatString("x00281050", 0), dataSet.floatString("x00281051", 0)];
  const kind = dataSet.string("x00281056")?.trim() ?? "LINEAR";
  const table = tableOf(dataSet, "x00283010");
  if (table) return (value) => table.look(value) / table.most;
  if (centre !== undefined && width !== undefined && Number.isFinite(centre) && width > 0) {
    if (kind === "SIGMOID") return (value) => 1 / (1 + Math.exp((-4 * (value - centre)) / width));
    if (kind === "LINEAR_EXACT") return (value) => (value - centre) / width + 0.5;
    return linear([centre, width]);
  }
  // Padding around the picture would only darken the rest.
  const padding = paddingOf(dataSet);
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const [i, value] of measured.entries()) {
    if (stored[i] === padding) continue;
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  return most > least ? (value) => (value - least) / (most - least) : () => 0;
}

/** The function LINEAR. @see PS3.3, C.11.2.1.2.1 */
function linear([centre, width]: Window): (value: number) => number {
  if (width > 1) return (value) => (value - (centre - 0.5)) / (width - 1) + 0.5;
  return (value) => (value > centre - 0.5 ? 1 : 0);
}

function paddingOf(dataSet: DataSet): number | undefined {
  return dataSet.uint16("x00280103") === 1 ? dataSet.int16("x00280120") : dataSet.uint16("x00280120");
}

function tableOf(dataSet: DataSet, sequence: string): Table | undefined {
  const item = dataSet.elements[sequence]?.items?.[0]?.dataSet;
  const data = item?.elements.x00283006;
  if (!item || !data) return undefined;
  const isSigned = dataSet.uint16("x00280103") === 1;
  const entries = item.uint16("x00283002", 0) || 65536;
  const first = (isSigned && sequence === "x00283000" ? item.int16("x00283002", 1) : item.uint16("x00283002", 1)) ?? 0;
  const bits = item.uint16("x00283002", 2) ?? 16;
  const is8Bit = bits <= 8 && data.length < 2 * entries;
  const entry = (i: number): number =>
    (is8Bit ? item.byteArray[data.dataOffset + i] : item.uint16("x00283006", i)) ?? 0;
  const values = Float64Array.from({ length: entries }, (_, i) => entry(i));
  const last = entries - 1;
  return { look: (value) => values[Math.min(last, Math.max(0, Math.round(value) - first))]!, most: 2 ** bits - 1 };
}
