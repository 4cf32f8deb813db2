import { decodeImage, encodeRle } from "@villa/data";
import { describe, expect, it } from "vitest";
import { encodePng, glyphDigits, montage, type RenderableSample, renderSample, streamDocMnist } from "../src/index.ts";

const sample: RenderableSample = {
  id: 3,
  width: 28,
  height: 14,
  image: Uint8Array.from({ length: 3 * 28 * 14 }, (_, i) => (i * 7) % 256),
  regions: [{ box: [14, 0, 28, 14], attributes: ["seven", "red"] }],
  text: "the color is red . the number is a seven",
};

describe("encodePng", () => {
  it("keeps every pixel", async () => {
    const data = Uint8Array.from({ length: 5 * 3 * 4 }, (_, i) => (i % 4 === 3 ? 255 : i * 4));
    const back = await decodeImage(encodePng({ width: 5, height: 3, data }));
    expect([back.width, back.height]).toEqual([5, 3]);
    for (let i = 0; i < 15; i++) {
      for (let channel = 0; channel < 3; channel++) expect(back.data[channel * 15 + i]).toBe(data[4 * i + channel]);
    }
  });

  it("keeps transparency in the file when there is some", () => {
    const opaque = encodePng({ width: 1, height: 1, data: Uint8Array.of(1, 2, 3, 255) });
    const clear = encodePng({ width: 1, height: 1, data: Uint8Array.of(1, 2, 3, 0) });
    expect([opaque[25], clear[25]]).toEqual([2, 6]); // the colour type in the header
  });
});

describe("renderSample", () => {
  it("enlarges the image", () => {
    const { width, height, data } = renderSample(sample, { scale: 3, boxes: false, captions: false });
    expect([width, height]).toEqual([84, 42]);
    for (const [x, y] of [
      [0, 0],
      [83, 41],
      [40, 20],
    ] as const) {
      const source = Math.floor(y / 3) * 28 + Math.floor(x / 3);
      const plane = 28 * 14;
      const expected = [0, 1, 2].map((channel) => sample.image[channel * plane + source]!);
      expect([...data.subarray((y * 84 + x) * 4, (y * 84 + x) * 4 + 4)]).toEqual([...expected, 255]);
    }
  });

  it("draws boxes, captions and text", () => {
    const plain = renderSample(sample, { boxes: false, captions: false });
    const boxed = renderSample(sample, { captions: false });
    const full = renderSample(sample);
    expect(boxed.data).not.toEqual(plain.data);
    expect(full.height).toBeGreaterThan(boxed.height);
    const assigned = { ...sample, regions: [{ ...sample.regions[0]!, assigned: ["seven", "green"] }] };
    expect(renderSample(assigned).data).not.toEqual(full.data);
  });

  it("colours the pixels of masks", () => {
    const [{ box, attributes }] = sample.regions as [
      { box: readonly [number, number, number, number]; attributes: string[] },
    ];
    const mask = encodeRle(
      Array.from({ length: 28 * 14 }, (_, i) => (i % 28 === 20 && i > 28 * 6 ? 1 : 0)),
      { width: 28, height: 14 },
    );
    const options = { scale: 2, captions: false };
    const boxed = renderSample({ ...sample, regions: [{ box, attributes }] }, options);
    const masked = renderSample({ ...sample, regions: [{ box, attributes, mask }] }, options);
    const changed = Array.from({ length: 56 * 28 }, (_, i) => i).filter((i) =>
      [0, 1, 2].some((c) => boxed.data[4 * i + c] !== masked.data[4 * i + c]),
    );
    expect(changed.length).toBeGreaterThan(20);
    for (const i of changed) expect([20, 6 <= Math.floor(i / 112)]).toEqual([Math.floor((i % 56) / 2), true]);
  });

  it("lists attributes below the image, however small their boxes are", () => {
    const small = { ...sample, regions: [{ box: [0, 0, 3, 3] as const, attributes: ["seven", "red"] }] };
    expect(renderSample(small).height).toBe(renderSample(sample).height);
    const more = { ...sample, regions: [...small.regions, ...sample.regions] };
    expect(renderSample(more).height).toBeGreaterThan(renderSample(small).height);
  });

  it("refuses a scale that makes no picture", () => {
    expect(() => renderSample(sample, { scale: 0 })).toThrow("between 1 and 16");
  });
});

describe("montage", () => {
  it("says what the colours of a mapping mean, where there is truth", () => {
    const assigned = { ...sample, regions: [{ ...sample.regions[0]!, assigned: ["seven"] }] };
    const unknown = { ...sample, regions: [{ ...sample.regions[0]!, attributes: undefined, assigned: ["seven"] }] };
    expect(montage([assigned], { scale: 8 }).height).toBeGreaterThan(montage([unknown], { scale: 8 }).height);
  });

  it("puts generated samples side by side", () => {
    const digits = { train: glyphDigits(1, 50) };
    const samples = [...streamDocMnist({ digits, attributeBudget: 90, targetSampleComplexity: 16 })].slice(0, 5);
    const picture = montage(samples, { columns: 3, scale: 2, captions: false });
    expect(picture.width).toBe(3 * 168 + 4 * 4);
    expect(picture.height).toBe(2 * 168 + 3 * 4);
    expect(() => montage([])).toThrow("at least one");
  });
});
