import fc from "fast-check";
import { expect, test } from "vitest";
import { shardOf, shardOwning } from "../src/train/parallel.ts";

test("every attribute belongs to the one shard that trains it", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 20 }), (total, count) => {
      for (let index = 0; index < count; index++) {
        for (const attribute of shardOf(total, { index, count })) {
          expect(shardOwning(attribute, { total, count })).toBe(index);
        }
      }
    }),
  );
});
