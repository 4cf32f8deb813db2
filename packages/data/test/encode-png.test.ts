import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeImage, encodePng, isVillaError, type RgbImage } from "../src/index.ts";

const pictures = fc
  .tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }))
  .chain(([width, height]) =>
    fc
      .uint8Array({ minLength: 3 * width * height, maxLength: 3 * width * height })
      .map((data): RgbImage => ({ width, height, channels: 3, data })),
  );

test("a picture comes back from its PNG, from planes and from pixels", async () => {
  await fc.assert(
    fc.asyncProperty(pictures, async (picture) => {
      const { width, height, data } = picture;
      const area = width * height;
      expect(await decodeImage(encodePng(picture))).toEqual(picture);
      const rgba = Uint8Array.from({ length: 4 * area }, (_, i) =>
        i % 4 < 3 ? data[(i % 4) * area + (i >> 2)]! : 255,
      );
      expect(encodePng({ width, height, data: rgba })).toEqual(encodePng(picture));
    }),
  );
});

test("an alpha channel is written only where something shines through", () => {
  const colorType = (alpha: number) => encodePng({ width: 1, height: 1, data: Uint8Array.of(1, 2, 3, alpha) })[25];
  expect([colorType(255), colorType(254)]).toEqual([2, 6]);
});

test.each([
  [2, 2, 15],
  [0, 2, 0],
  [1.5, 2, 12],
  [Number.NaN, 1, 4],
])("sides %d × %d and %d bytes are refused", (width, height, length) => {
  const attempt = () => encodePng({ width, height, data: new Uint8Array(length) });
  expect(attempt).toThrow(/needs 4 bytes for each of them/);
  try {
    attempt();
  } catch (error) {
    expect(isVillaError(error, "InvalidArgument")).toBe(true);
  }
});
