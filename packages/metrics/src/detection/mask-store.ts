import { type Rle, rleArea, rleBox } from "@villa/data";

/**
 * Many masks in few arrays, so that hundreds of thousands of them cost little more than their run lengths.
 */
export class MaskStore {
  #counts = new Uint32Array(1024);
  #used = 0;
  readonly #starts: number[] = [0];
  readonly #heights: number[] = [];
  readonly #widths: number[] = [];
  readonly #boxes: number[] = [];
  readonly #areas: number[] = [];

  /** Adds a mask at the end. */
  push(mask: Rle): void {
    const { counts, height, width } = mask;
    if (this.#used + counts.length > this.#counts.length) {
      const grown = new Uint32Array(Math.max(2 * this.#counts.length, this.#used + counts.length));
      grown.set(this.#counts.subarray(0, this.#used));
      this.#counts = grown;
    }
    this.#counts.set(counts, this.#used);
    this.#used += counts.length;
    this.#starts.push(this.#used);
    this.#heights.push(height);
    this.#widths.push(width);
    this.#boxes.push(...rleBox(mask));
    this.#areas.push(rleArea(mask));
  }

  /**
   * Intersection of mask `i` and mask `j` of another store over their union; over the area of `i` alone where `crowd`, so
   * that a detection within a crowd counts in full.
   *
   * @returns 0 where their boxes do not overlap; -1, which matches nothing, where they do but the images' sizes differ
   */
  overlap(i: number, other: MaskStore, { j, crowd }: { readonly j: number; readonly crowd: boolean }): number {
    if (!this.#boxesOverlap(4 * i, other.#boxes, 4 * j)) return 0;
    if (this.#heights[i] !== other.#heights[j] || this.#widths[i] !== other.#widths[j]) return -1;
    const common = this.#intersection(i, other, j);
    if (common === 0) return 0;
    return common / (crowd ? this.#areas[i]! : this.#areas[i]! + other.#areas[j]! - common);
  }

  #boxesOverlap(a: number, others: readonly number[], b: number): boolean {
    const boxes = this.#boxes;
    const width = Math.min(boxes[a + 2]! + boxes[a]!, others[b + 2]! + others[b]!) - Math.max(boxes[a]!, others[b]!);
    if (width <= 0) return false;
    const bottom = Math.min(boxes[a + 3]! + boxes[a + 1]!, others[b + 3]! + others[b + 1]!);
    return bottom - Math.max(boxes[a + 1]!, others[b + 1]!) > 0;
  }

  /** Pixels inside both: walks along the runs of ones of both, always on with the one that ends first. */
  #intersection(i: number, other: MaskStore, j: number): number {
    const [a, b] = [this.#counts, other.#counts];
    const [lastA, lastB] = [this.#starts[i + 1]! - 1, other.#starts[j + 1]! - 1];
    let [ia, ib] = [this.#starts[i]!, other.#starts[j]!];
    if (ia >= lastA || ib >= lastB) return 0;
    let startA = a[ia]!;
    let endA = startA + a[ia + 1]!;
    let startB = b[ib]!;
    let endB = startB + b[ib + 1]!;
    let common = 0;
    for (;;) {
      const overlap = Math.min(endA, endB) - Math.max(startA, startB);
      if (overlap > 0) common += overlap;
      if (endA < endB) {
        ia += 2;
        if (ia >= lastA) return common;
        startA = endA + a[ia]!;
        endA = startA + a[ia + 1]!;
      } else {
        ib += 2;
        if (ib >= lastB) return common;
        startB = endB + b[ib]!;
        endB = startB + b[ib + 1]!;
      }
    }
  }
}
