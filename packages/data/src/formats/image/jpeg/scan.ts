import type { Allowance } from "../../limits.ts";
import { EntropyReader, type HuffmanTable } from "./entropy.ts";
import { damaged, type JpegComponent, type JpegFrame } from "./frame.ts";
import { inverseDct } from "./inverse-dct.ts";

/** Tables by number, as the markers before a scan define them. */
export interface JpegTables {
  /** [64] natural order. */
  readonly quantization: readonly (Int32Array | undefined)[];
  readonly dc: readonly (HuffmanTable | undefined)[];
  readonly ac: readonly (HuffmanTable | undefined)[];
  readonly restartInterval: number;
}

/** Positions of coefficients in natural order; what runs beyond the block ends in its last one, as in libjpeg. */
export const zigzag: Uint8Array = Uint8Array.of(
  ...[0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48],
  ...[41, 34, 27, 20, 13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23],
  ...[30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63],
  ...new Array<number>(16).fill(63),
);

/** Steps of work that a block of a scan counts as. */
const blockSteps = 16;

interface ScanComponent {
  readonly component: JpegComponent;
  readonly dc: HuffmanTable | undefined;
  readonly ac: HuffmanTable | undefined;
  /** Of a baseline image, whose blocks are transformed at once. */
  readonly quantization: Int32Array | undefined;
  prediction: number;
}

/** Bits and coefficients that a scan of a progressive image is about. */
interface Band {
  readonly first: number;
  readonly last: number;
  readonly high: number;
  readonly low: number;
}

/** What the decoder of a scan has to know. */
interface ScanContext {
  /** Where its data start. */
  readonly start: number;
  readonly header: Uint8Array;
  readonly frame: JpegFrame;
  readonly tables: JpegTables;
  readonly allowance: Allowance;
}

/** Decodes a scan. Returns where its data end. */
export function decodeScan(bytes: Uint8Array, { start, header, frame, tables, allowance }: ScanContext): number {
  const { scanned, band } = readHeader(header, frame, tables);
  const input = new EntropyReader(bytes, start);
  const decode = frame.progressive ? progressiveDecoder(input, band) : baselineDecoder(input);
  const [only] = scanned;
  const single = scanned.length === 1 ? only!.component : undefined;
  const across = single ? single.ownWide : frame.unitsWide;
  const down = single ? single.ownHigh : frame.unitsHigh;
  const blocks = single ? 1 : scanned.reduce((sum, { component }) => sum + component.h * component.v, 0);
  if (blocks > 10) throw damaged("a scan has too many blocks in a unit");
  const { restartInterval } = tables;
  let untilRestart = restartInterval;
  let restarts = 0;
  for (let y = 0; y < down; y++) {
    allowance.work(blockSteps * blocks * across, "The image");
    for (let x = 0; x < across; x++) {
      if (restartInterval > 0 && untilRestart-- === 0) {
        input.restart(restarts++ & 7);
        for (const each of scanned) each.prediction = 0;
        decode.restart();
        untilRestart = restartInterval - 1;
      }
      const missing = input.insufficient;
      for (const each of scanned) {
        const { h, v, blocksWide } = each.component;
        if (single) decode.block(each, y * blocksWide + x, missing);
        else {
          for (let j = 0; j < v; j++) {
            for (let i = 0; i < h; i++) decode.block(each, (y * v + j) * blocksWide + x * h + i, missing);
          }
        }
      }
    }
  }
  return input.end;
}

function readHeader(
  header: Uint8Array,
  frame: JpegFrame,
  tables: JpegTables,
): { scanned: ScanComponent[]; band: Band } {
  const count = header[0] ?? 0;
  if (count < 1 || count > 4 || header.length !== 4 + 2 * count) throw damaged("a scan's header is malformed");
  const [first, last, bits] = header.subarray(1 + 2 * count) as unknown as [number, number, number];
  const band: Band = { first, last, high: bits >> 4, low: bits & 15 };
  const { progressive } = frame;
  const isBand = first === 0 ? last === 0 : count === 1 && first <= last && last < 64;
  if (progressive && (!isBand || band.low > 13 || (band.high !== 0 && band.high !== band.low + 1))) {
    throw damaged("a scan has a malformed range of coefficients");
  }
  const scanned = Array.from({ length: count }, (_, i): ScanComponent => {
    const [id, numbers] = header.subarray(1 + 2 * i) as unknown as [number, number];
    const component = frame.components.find((each) => each.id === id);
    if (!component) throw damaged("a scan is of a component that the frame does not have");
    const [dc, ac] = [tables.dc[numbers >> 4], tables.ac[numbers & 15]];
    const quantization = tables.quantization[component.quantization];
    const needsDc = progressive ? first === 0 && band.high === 0 : true;
    const needsAc = progressive ? first > 0 : true;
    if ((needsDc && !dc) || (needsAc && !ac)) throw damaged("a Huffman table is missing");
    if (!progressive && !quantization) throw damaged("a quantisation table is missing");
    return { component, dc, ac, quantization, prediction: 0 };
  });
  if (new Set(scanned.map(({ component }) => component)).size !== count)
    throw damaged("a scan names a component twice");
  return { scanned, band };
}

interface BlockDecoder {
  /** @param missing whether the data have ended: the block stays as it is */
  block(scanned: ScanComponent, index: number, missing: boolean): void;
  restart(): void;
}

function baselineDecoder(input: EntropyReader): BlockDecoder {
  const coefficients = new Int16Array(64);
  return {
    restart() {},
    block(scanned, index, missing) {
      coefficients.fill(0);
      const { component, dc, ac, quantization } = scanned;
      if (!missing) {
        scanned.prediction += dcDifference(input, dc!);
        coefficients[0] = scanned.prediction;
        for (let k = 1; k < 64; k++) {
          const symbol = input.symbol(ac!);
          const size = symbol & 15;
          const run = symbol >> 4;
          if (size === 0) {
            if (run !== 15) break;
            k += 15;
          } else {
            k += run;
            coefficients[zigzag[k]!] = input.signed(size);
          }
        }
      }
      inverseDct(coefficients, 0, quantization!, component, index);
    },
  };
}

function progressiveDecoder(input: EntropyReader, { first, last, high, low }: Band): BlockDecoder {
  /** Blocks still to come that hold nothing more. */
  let endOfBand = 0;
  const one = 1 << low;

  const dcFirst = (scanned: ScanComponent, at: number): void => {
    scanned.prediction += dcDifference(input, scanned.dc!);
    scanned.component.coefficients![at] = scanned.prediction << low;
  };
  const dcRefine = (scanned: ScanComponent, at: number): void => {
    if (input.bits(1) === 1) scanned.component.coefficients![at]! |= one;
  };
  const acFirst = ({ component, ac }: ScanComponent, at: number): void => {
    if (endOfBand > 0) {
      endOfBand--;
      return;
    }
    for (let k = first; k <= last; k++) {
      const symbol = input.symbol(ac!);
      const size = symbol & 15;
      const run = symbol >> 4;
      if (size > 0) {
        k += run;
        component.coefficients![at + zigzag[k]!] = input.signed(size) << low;
      } else if (run === 15) k += 15;
      else {
        endOfBand = (1 << run) + input.bits(run) - 1;
        break;
      }
    }
  };
  /** Corrects a coefficient that is not zero already. */
  const correct = (coefficients: Int16Array, at: number): void => {
    const value = coefficients[at]!;
    if (input.bits(1) === 1 && (value & one) === 0) coefficients[at] = value + (value < 0 ? -one : one);
  };
  const acRefine = ({ component, ac }: ScanComponent, at: number): void => {
    const coefficients = component.coefficients!;
    let k = first;
    if (endOfBand === 0) {
      for (; k <= last; k++) {
        const symbol = input.symbol(ac!);
        let run = symbol >> 4;
        let value = 0;
        // A new coefficient is 1 or -1 at this bit, whatever size it claims.
        if ((symbol & 15) > 0) value = input.bits(1) === 1 ? one : -one;
        else if (run < 15) {
          endOfBand = (1 << run) + input.bits(run);
          break;
        }
        for (; k <= last; k++) {
          const each = at + zigzag[k]!;
          if (coefficients[each] !== 0) correct(coefficients, each);
          else if (run-- === 0) break;
        }
        if (value !== 0 && k <= last) coefficients[at + zigzag[k]!] = value;
      }
    }
    if (endOfBand === 0) return;
    for (; k <= last; k++) {
      const each = at + zigzag[k]!;
      if (coefficients[each] !== 0) correct(coefficients, each);
    }
    endOfBand--;
  };
  const decode = first === 0 ? (high === 0 ? dcFirst : dcRefine) : high === 0 ? acFirst : acRefine;
  return {
    restart() {
      endOfBand = 0;
    },
    block(scanned, index, missing) {
      if (!missing) decode(scanned, 64 * index);
    },
  };
}

function dcDifference(input: EntropyReader, table: HuffmanTable): number {
  const size = input.symbol(table);
  if (size > 15) throw damaged("a Huffman table has a symbol that is not allowed");
  return input.signed(size);
}
