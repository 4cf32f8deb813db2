import fc from "fast-check";
import { expect, test } from "vitest";
import { FloatSorter } from "../src/retrieval/float-sorter.ts";

test("sorts as the engine does, arrays of any length one after another", () => {
  const sorter = new FloatSorter();
  const values = fc.float32Array({ noNaN: true, maxLength: 300 }).map((array) => array.map((value) => value + 0)); // no −0
  fc.assert(
    fc.property(values, (array) => {
      const before = array.slice();
      expect([...sorter.sort(array)]).toEqual([...array.slice().sort()]);
      expect(array).toEqual(before);
    }),
    { numRuns: 500 },
  );
});
