import { type Box, decodeRle, encodeRle, RandomState } from "@villa/data";
import { expect, test } from "vitest";
import { augmentation } from "../src/augment.ts";

const [width, height] = [12, 8];
const box: Box = [2, 1, 5, 6];

/** Black, with a box of one colour. */
function picture([x0, y0, x1, y1]: Box, colour = [200, 40, 90]) {
  const data = new Uint8Array(3 * width * height);
  for (let channel = 0; channel < 3; channel++) {
    for (let y = y0; y < y1; y++)
      data.fill(colour[channel]!, (channel * height + y) * width + x0, (channel * height + y) * width + x1);
  }
  return { width, height, data };
}

/** Where a picture is not black, as a mask. */
const red = ({ data }: { readonly data: Uint8Array }) =>
  data.slice(0, width * height).map((value) => (value > 0 ? 1 : 0));

test("boxes and masks follow a mirrored picture exactly, and half of the pictures are mirrored", () => {
  const augment = augmentation({ flip: true }, new RandomState(5))!;
  const original = picture(box);
  let mirrored = 0;
  for (let i = 0; i < 200; i++) {
    const { image, boxes, masks } = augment({
      image: original,
      boxes: [box, [0, 0, width - 1, height - 1]],
      masks: [encodeRle(red(original), original), null],
    });
    // Whatever became of the picture: what is drawn in it lies in the box.
    expect(image.data).toEqual(picture(boxes[0]!).data);
    expect(decodeRle(masks![0]!)).toEqual(red(image));
    expect(masks![1]).toBeNull();
    if (boxes[0]![0] !== box[0]) {
      expect(boxes).toEqual([
        [7, 1, 10, 6],
        [1, 0, 12, 7],
      ]);
      mirrored++;
    }
  }
  expect(mirrored).toBeGreaterThan(70);
  expect(mirrored).toBeLessThan(130);
  expect(original.data).toEqual(picture(box).data); // the caller's picture stays
});

test("edges move within their share and the picture; nothing but boxes changes", () => {
  const augment = augmentation({ shift: 0.2 }, new RandomState(6))!;
  const original = picture(box);
  const edge: Box = [0, 0, width, height];
  const seen = new Set<string>();
  for (let i = 0; i < 200; i++) {
    const { image, boxes } = augment({ image: original, boxes: [box, edge] });
    expect(image.data).toEqual(original.data);
    box.forEach((value, side) => {
      expect(Math.abs(boxes[0]![side]! - value)).toBeLessThanOrEqual(0.2 * (side % 2 === 0 ? 3 : 5));
    });
    const [x0, y0, x1, y1] = boxes[1]!;
    expect(Math.min(x0, y0)).toBeGreaterThanOrEqual(0);
    expect(x1).toBeLessThanOrEqual(width);
    expect(y1).toBeLessThanOrEqual(height);
    seen.add(boxes[0]!.join());
  }
  expect(seen.size).toBe(200);
});

test("light changes every channel alike, so that colours keep their order", () => {
  const augment = augmentation({ light: 0.3 }, new RandomState(7))!;
  for (let i = 0; i < 50; i++) {
    const { image, boxes } = augment({ image: picture(box), boxes: [box] });
    const [red, green, blue] = [0, 1, 2].map((channel) => image.data[(channel * height + 3) * width + 3]!);
    expect(boxes).toEqual([box]);
    expect(red! > blue! && blue! > green!).toBe(true);
    // Contrast within 0.7 … 1.3 of the difference (200 - 90), rounded.
    expect(red! - blue!).toBeGreaterThanOrEqual(0.7 * 110 - 1);
    expect(red! - blue!).toBeLessThanOrEqual(1.3 * 110 + 1);
  }
});

test("equal states give equal pictures; without a setting nothing is drawn", () => {
  const options = { flip: true, shift: 0.1, light: 0.1 };
  const input = { image: picture(box), boxes: [box] };
  const random = new RandomState(8);
  const augment = augmentation(options, random)!;
  augment(input);
  const state = random.getState();
  const next = augment(input);
  const resumed = new RandomState(1);
  resumed.setState(state);
  expect(augmentation(options, resumed)!(input)).toEqual(next);
  expect(augmentation({}, random)).toBeUndefined();
});
