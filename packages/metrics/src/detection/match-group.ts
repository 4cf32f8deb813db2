import { areaRanges, type MatchFlags, type MatchInput } from "./matches.ts";
import { type OverlapRow, overlaps } from "./overlap.ts";

/** Matches the detections of one category in one image; keeps its buffers from call to call. */
export class GroupMatcher {
  readonly #input: MatchInput;
  readonly #flags: MatchFlags;
  readonly #overlaps: OverlapRow;
  /** The thresholds; one of 1 is lowered a little, for overlaps that rounding left just below 1. */
  readonly #thresholds: Float64Array;
  readonly #lowest: number;
  /** [close detections, objects] overlaps. */
  #table = new Float64Array(256);
  /** The close detections: those that overlap an object enough for some threshold. */
  #close = new Int32Array(16);
  /** Columns of the table: the objects that count, then the others. */
  #columns = new Int32Array(16);
  /** By column: 1 where the object has been taken. */
  #taken = new Uint8Array(16);

  constructor(input: MatchInput, flags: MatchFlags) {
    this.#input = input;
    this.#flags = flags;
    this.#overlaps = overlaps(input.detections, input.truth);
    this.#thresholds = Float64Array.from(input.thresholds, (threshold) => Math.min(threshold, 1 - 1e-10));
    this.#lowest = Math.min(...this.#thresholds);
  }

  /** @param detections by descending score */
  match(detections: Int32Array, truths: Int32Array): void {
    if (truths.length > 0) {
      const count = this.#fillTable(detections, truths);
      if (count > 0) for (let a = 0; a < areaRanges.length; a++) this.#matchRange(truths, { count, a });
    }
    this.#forgive(detections);
  }

  /** @returns the number of close detections */
  #fillTable(detections: Int32Array, truths: Int32Array): number {
    const width = truths.length;
    if (this.#table.length < detections.length * width) this.#table = new Float64Array(2 * detections.length * width);
    if (this.#close.length < detections.length) this.#close = new Int32Array(2 * detections.length);
    if (this.#columns.length < width) {
      this.#columns = new Int32Array(2 * width);
      this.#taken = new Uint8Array(2 * width);
    }
    let count = 0;
    for (let d = 0; d < detections.length; d++) {
      const start = count * width;
      this.#overlaps(detections[d]!, truths, this.#table.subarray(start, start + width));
      for (let g = 0; g < width; g++) {
        if (!(this.#table[start + g]! < this.#lowest)) {
          this.#close[count++] = detections[d]!;
          break;
        }
      }
    }
    return count;
  }

  #matchRange(truths: Int32Array, { count, a }: { readonly count: number; readonly a: number }): void {
    const { truth } = this.#input;
    const { truthUnjudged, found } = this.#flags;
    const [matched, unjudged] = [this.#flags.matched[a]!, this.#flags.unjudged[a]!];
    const width = truths.length;
    const [table, close, columns, taken] = [this.#table, this.#close, this.#columns, this.#taken];
    const judged = this.#orderColumns(truths, a);
    for (let t = 0; t < this.#thresholds.length; t++) {
      taken.fill(0, 0, width);
      for (let d = 0; d < count; d++) {
        let best = this.#thresholds[t]!;
        let choice = -1;
        for (let c = 0; c < width; c++) {
          // Objects that do not count are second choice.
          if (c === judged && choice >= 0) break;
          const overlap = table[d * width + columns[c]!]!;
          if (taken[c] === 1 || overlap < best) continue;
          best = overlap;
          choice = c;
        }
        if (choice < 0) continue;
        const object = truths[columns[choice]!]!;
        taken[choice] = truth.crowd[object] === 1 ? 0 : 1;
        // pycocotools and lvis-api note the id of the object found and read 0 as "none": an object of id 0 is never
        // found.
        if (truth.ids[object] !== 0) matched[close[d]!]! |= 1 << t;
        if (((truthUnjudged[object]! >> a) & 1) === 1) unjudged[close[d]!]! |= 1 << t;
        if (t === 0 && a === 0) found[close[d]!] = object;
      }
    }
  }

  /** Objects that count in range `a`, then the others. @returns how many count */
  #orderColumns(truths: Int32Array, a: number): number {
    const { truthUnjudged } = this.#flags;
    let next = 0;
    let judged = 0;
    for (const wanted of [0, 1]) {
      for (let g = 0; g < truths.length; g++) {
        if (((truthUnjudged[truths[g]!]! >> a) & 1) === wanted) this.#columns[next++] = g;
      }
      if (wanted === 0) judged = next;
    }
    return judged;
  }

  /**
   * A detection that found nothing does not count where its own size is outside of the range, or where it is forgiven.
   */
  #forgive(detections: Int32Array): void {
    const { forgiven } = this.#input;
    const { area } = this.#input.detections;
    const every = 2 ** this.#thresholds.length - 1;
    for (let a = 0; a < areaRanges.length; a++) {
      const { from, to } = areaRanges[a]!;
      const [matched, unjudged] = [this.#flags.matched[a]!, this.#flags.unjudged[a]!];
      for (let d = 0; d < detections.length; d++) {
        const i = detections[d]!;
        if (area[i]! < from || area[i]! > to || forgiven?.[i] === 1) unjudged[i]! |= every & ~matched[i]!;
      }
    }
  }
}
