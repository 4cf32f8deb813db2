import { isVillaError, mergeRles } from "@villa/data";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MaskStore } from "../src/detection/mask-store.ts";
import {
  decodeRle,
  encodeRle,
  formatRleString,
  type ImageSize,
  parseRleString,
  polygonsRle,
  rleArea,
  rleBox,
} from "../src/index.ts";

const sizes = fc.record({ height: fc.integer({ min: 1, max: 6 }), width: fc.integer({ min: 1, max: 6 }) });
const pixels = ({ height, width }: ImageSize) =>
  fc.array(fc.integer({ min: 0, max: 1 }), { minLength: height * width, maxLength: height * width });
const masks = sizes.chain((size) => fc.record({ size: fc.constant(size), a: pixels(size), b: pixels(size) }));

describe("masks equal their pixels", () => {
  test("through run lengths and their text, and back", () => {
    fc.assert(
      fc.property(masks, ({ size, a }) => {
        const rle = encodeRle(a, size);
        expect([...decodeRle(rle)]).toEqual(a);
        expect(parseRleString(formatRleString(rle), size)).toEqual(rle);
        expect(rleArea(rle)).toBe(a.filter(Boolean).length);
        const places = a.flatMap((inside, i) =>
          inside ? [[i % size.width, Math.floor(i / size.width)] as const] : [],
        );
        const range = (k: 0 | 1) => {
          const values = places.map((place) => place[k]);
          return [Math.min(...values), Math.max(...values) - Math.min(...values) + 1] as const;
        };
        const [[x, width], [y, height]] =
          places.length > 0
            ? [range(0), range(1)]
            : [
                [0, 0],
                [0, 0],
              ];
        expect(rleBox(rle)).toEqual([x, y, width, height]);
      }),
    );
  });

  test("in unions and overlaps", () => {
    fc.assert(
      fc.property(masks, fc.boolean(), ({ size, a, b }, crowd) => {
        const [left, right] = [encodeRle(a, size), encodeRle(b, size)];
        expect([...decodeRle(mergeRles([left, right]))]).toEqual(a.map((inside, i) => inside | b[i]!));
        const [detections, truth] = [new MaskStore(), new MaskStore()];
        detections.push(right);
        detections.push(left);
        truth.push(right);
        const count = (test_: (inA: number, inB: number) => number) =>
          a.reduce((n, inA, i) => n + test_(inA, b[i]!), 0);
        const common = count((inA, inB) => inA & inB);
        const whole = crowd ? count((inA) => inA) : count((inA, inB) => inA | inB);
        expect(detections.overlap(1, truth, { j: 0, crowd })).toBe(common === 0 ? 0 : common / whole);
      }),
    );
  });

  test("of images of different sizes never match", () => {
    const store = new MaskStore();
    store.push(encodeRle([1, 1], { height: 1, width: 2 }));
    store.push(encodeRle([1, 1], { height: 2, width: 1 }));
    expect(store.overlap(0, store, { j: 1, crowd: false })).toBe(-1);
  });
});

test("run lengths with zeros in between mean what they say", () => {
  const odd = { height: 2, width: 2, counts: Uint32Array.of(0, 1, 0, 1, 2, 0) };
  expect([...decodeRle(odd)]).toEqual([1, 0, 1, 0]);
  expect(rleBox(odd)).toEqual([0, 0, 1, 2]);
  expect([...decodeRle(mergeRles([odd, encodeRle([0, 0, 0, 1], odd)]))]).toEqual([1, 0, 1, 1]);
});

test("a large run takes several characters", () => {
  const size = { height: 40000, width: 40000 };
  const rle = { ...size, counts: Uint32Array.of(1, 1_599_999_998, 1) };
  expect(parseRleString(formatRleString(rle), size)).toEqual(rle);
});

test.each([
  ["characters", () => parseRleString("0~", { height: 1, width: 1 })],
  ["an end within a number", () => parseRleString("P", { height: 1, width: 1 })],
  ["an endless number", () => parseRleString("o".repeat(50), { height: 1, width: 1 })],
  ["a negative run", () => parseRleString("O", { height: 1, width: 1 })],
  ["another sum", () => parseRleString("3", { height: 1, width: 1 })],
  ["no polygon", () => polygonsRle([], { height: 1, width: 1 })],
  ["a point and a half", () => polygonsRle([[0, 0, 1]], { height: 1, width: 1 })],
  ["infinity", () => polygonsRle([[0, 0, Number.POSITIVE_INFINITY, 1]], { height: 1, width: 1 })],
])("refuses %s", (_, read) => {
  expect(read).toThrow(expect.toSatisfy((error) => isVillaError(error, "InvalidFile")));
});
