import { bytes, fnv1a32, unit } from "@villa/testing";
import { expect, test } from "vitest";

test("name-derived inputs equal the golden README's check values", () => {
  expect(fnv1a32("villa")).toBe(1470198011);
  expect([...unit("villa:visual.conv1.weight", 4)]).toEqual([
    0.5343541316688061, 0.7816908196546137, 0.9471828709356487, -0.2746561369858682,
  ]);
  expect([...bytes("villa-digits:train", 6)]).toEqual([57, 204, 179, 108, 78, 102]);
});
