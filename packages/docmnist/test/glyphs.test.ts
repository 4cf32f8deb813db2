import { describe, expect, it } from "vitest";
import { glyphDigits, glyphSource } from "../src/index.ts";

const size = 28 * 28;

describe("glyphDigits", () => {
  const digits = glyphDigits(5, 500);

  it("draws every class equally often, the same for the same seed", () => {
    const counts = new Array(10).fill(0);
    for (const label of digits.labels) counts[label]++;
    expect(counts).toEqual(new Array(10).fill(50));
    expect(glyphDigits(5, 500)).toEqual(digits);
    expect(glyphDigits(6, 500).images).not.toEqual(digits.images);
  });

  it("normalises as MNIST does: a clear margin, the centre of mass in the middle", () => {
    let offCenter = 0;
    for (let i = 0; i < digits.labels.length; i++) {
      const picture = digits.images.subarray(i * size, (i + 1) * size);
      let mass = 0;
      let x = 0;
      let y = 0;
      for (const [k, value] of picture.entries()) {
        mass += value;
        x += value * (k % 28);
        y += value * Math.floor(k / 28);
      }
      if (Math.abs(x / mass - 13.5) > 0.6 || Math.abs(y / mass - 13.5) > 0.6) offCenter++;
      const edge = [...picture.keys()].filter((k) => k < 28 || k >= 27 * 28 || k % 28 === 0 || k % 28 === 27);
      expect(edge.every((k) => picture[k] === 0)).toBe(true);
      expect(Math.max(...picture)).toBeGreaterThan(240);
    }
    expect(offCenter).toBeLessThan(digits.labels.length * 0.02); // those that would have left the picture
  });

  it("has MNIST's ink: about 19 % of the pixels, mostly bright", () => {
    const inked = digits.images.filter((value) => value > 0).length / digits.images.length;
    const mean = digits.images.reduce((sum, value) => sum + value, 0) / digits.images.length;
    expect(inked).toBeGreaterThan(0.15);
    expect(inked).toBeLessThan(0.23);
    expect(mean).toBeGreaterThan(26);
    expect(mean).toBeLessThan(40);
  });

  it("can be told apart: a picture's nearest class mean is mostly its own class", () => {
    const means = Array.from({ length: 10 }, () => new Float64Array(size));
    for (const [i, label] of digits.labels.entries()) {
      for (let k = 0; k < size; k++) means[label]![k]! += digits.images[i * size + k]! / 50;
    }
    const test = glyphDigits(77, 200);
    let right = 0;
    for (const [i, label] of test.labels.entries()) {
      const distances = means.map((mean) =>
        mean.reduce((sum, value, k) => sum + (value - test.images[i * size + k]!) ** 2, 0),
      );
      if (distances.indexOf(Math.min(...distances)) === label) right++;
    }
    expect(right / 200).toBeGreaterThan(0.7);
  });

  it("draws only the classes asked for, and none that it does not know", () => {
    expect(new Set(glyphDigits(1, 40, { labels: [3, 8] }).labels)).toEqual(new Set([3, 8]));
    expect(glyphDigits(1, 0).images).toHaveLength(0);
    expect(() => glyphDigits(1, 4, { labels: [10] })).toThrow("0 to 9");
    expect(() => glyphDigits(1, -1)).toThrow("at least 0");
  });
});

describe("glyphSource", () => {
  it("draws pools of its own for train and test, the same for the same seed", () => {
    const source = glyphSource(23, { train: 40, test: 20 });
    expect(source).toEqual(glyphSource(23, { train: 40, test: 20 }));
    expect(source.train).toEqual(glyphDigits((23 ^ 0x5eed_0001) >>> 0, 40));
    expect(source.test?.labels.length).toBe(20);
    expect(glyphSource(23, { train: 40 })).toEqual({ train: source.train });
  });
});
