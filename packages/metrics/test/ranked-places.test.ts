import fc from "fast-check";
import { expect, test } from "vitest";
import { RankedPlaces } from "../src/retrieval/ranked-places.ts";

test("finds what sorting finds, in arrays of any length one after another", () => {
  const places = [1, 3, 70, 250];
  const found = new RankedPlaces(places.length);
  const anyFloat = fc.float({ noNaN: true });
  const tied = fc.constantFrom(-0, 0, 1, -1, 0.25, 0.250001);
  const values = fc.array(fc.oneof(anyFloat, tied), { minLength: 1, maxLength: 300 });
  fc.assert(
    fc.property(values, (array) => {
      const scores = Float32Array.from(array);
      const before = scores.slice();
      found.find(scores, places);
      expect(scores).toEqual(before);
      const sorted = [...scores].sort((a, b) => b - a);
      places.forEach((place, p) => {
        const score = sorted[Math.min(place, sorted.length) - 1]!;
        expect(found.scores[p]).toBe(score + 0);
        expect(found.above[p]).toBe(sorted.filter((other) => other > score).length);
        expect(found.tied[p]).toBe(sorted.filter((other) => other === score).length);
      });
    }),
    { numRuns: 500 },
  );
});
