import type { Allowance } from "../limits.ts";
import { malformed } from "./literals.ts";

// Bytes of memory that operations charge, about what V8 takes.
const pushCost = 16;
const memoCost = 48;
/** Bytes that an item of each container takes, about, and those of the empty container. */
export const containerCost = { empty: 64, listItem: 8, mapItem: 48 } as const;

/** The memory of a pickle machine: a stack with marks, and a memo. All that is put there is charged to an allowance. */
export class PickleStack {
  /** What lies above the last mark. */
  #items: unknown[] = [];
  /** What lies below each mark. */
  readonly #below: unknown[][] = [];
  readonly #memo = new Map<number, unknown>();
  readonly #allowance: Allowance;

  constructor(allowance: Allowance) {
    this.#allowance = allowance;
  }

  charge(bytes: number): void {
    this.#allowance.take(bytes, "The pickle");
  }

  push(value: unknown): void {
    this.charge(pushCost);
    this.#items.push(value);
  }

  pushContainer(container: unknown): void {
    this.charge(containerCost.empty);
    this.push(container);
  }

  pop(): unknown {
    if (this.#items.length === 0) throw malformed("an empty stack");
    return this.#items.pop();
  }

  peek(): unknown {
    if (this.#items.length === 0) throw malformed("an empty stack");
    return this.#items[this.#items.length - 1];
  }

  /** The last value, which has to be of one kind. */
  top<T>(is: (value: unknown) => value is T, kind: string): T {
    const value = this.peek();
    if (!is(value)) throw malformed(`items for something that is not a ${kind}`);
    return value;
  }

  popMany(count: number): unknown[] {
    if (this.#items.length < count) throw malformed("an empty stack");
    return this.#items.splice(this.#items.length - count, count);
  }

  /** Drops the last value; where there is none above the last mark, the mark. */
  drop(): void {
    if (this.#items.length > 0) this.#items.pop();
    else this.popMark();
  }

  mark(): void {
    this.charge(containerCost.empty);
    this.#below.push(this.#items);
    this.#items = [];
  }

  /** Takes away everything above the last mark, and the mark. */
  popMark(): unknown[] {
    const items = this.#items;
    const below = this.#below.pop();
    if (!below) throw malformed("a missing mark");
    this.#items = below;
    return items;
  }

  /** Keeps the last value under a number. */
  remember(index: number): void {
    this.charge(memoCost);
    this.#memo.set(index, this.peek());
  }

  /** Keeps the last value under the next number. */
  memoize(): void {
    this.remember(this.#memo.size);
  }

  /** Pushes a value that was kept. */
  recall(index: number): void {
    if (!this.#memo.has(index)) throw malformed("a reference to nothing");
    this.push(this.#memo.get(index));
  }
}
