import fc from "fast-check";
import { expect, test } from "vitest";
import { Heap, HeapFullError } from "../src/backend/heap/heap.ts";

const MEBIBYTE = 1 << 20;

test("blocks never overlap, and all memory comes back as one", () => {
  const heap = new Heap({ maximumBytes: 4 * MEBIBYTE });
  const action = fc.oneof(fc.record({ allocate: fc.integer({ min: 0, max: 200_000 }) }), fc.record({ free: fc.nat() }));
  fc.assert(
    fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
      const live: { offset: number; size: number }[] = [];
      for (const each of actions) {
        if ("free" in each) {
          const [block] = live.splice(each.free % Math.max(1, live.length), 1);
          if (block) heap.free(block.offset);
          continue;
        }
        let offset: number;
        try {
          offset = heap.allocate(each.allocate);
        } catch (error) {
          expect(error).toBeInstanceOf(HeapFullError);
          continue;
        }
        const end = offset + each.allocate;
        expect(offset % 64).toBe(0);
        expect(end).toBeLessThanOrEqual(heap.capacity);
        for (const other of live) expect(end <= other.offset || offset >= other.offset + other.size).toBe(true);
        live.push({ offset, size: Math.max(1, each.allocate) });
      }
      for (const { offset } of live) heap.free(offset);
      expect(heap.used).toBe(0);
      const whole = heap.allocate(heap.capacity - 65_536);
      heap.free(whole);
    }),
    { numRuns: 50 },
  );
});

test("a request that does not fit is refused by name", () => {
  const heap = new Heap({ maximumBytes: 2 * MEBIBYTE });
  expect(() => heap.allocate(3 * MEBIBYTE)).toThrow(HeapFullError);
  heap.free(12_345); // nobody's block: ignored
});
