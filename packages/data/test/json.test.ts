import { expect, test } from "vitest";
import { parseJson, parseVocabulary } from "../src/index.ts";

test("integers that a double does not hold come as their digits, and nothing else changes", () => {
  const text = String.raw`{"id": 1610521604143693812, "next": [-1610521604143693813,9007199254740991, 9007199254740993],
    "real": 0.12345678901234567, "small": 1.5e-1234567890123456, "exponent": 1234567890123456789e2,
    "text": "id: 1610521604143693812, \"1610521604143693812\"", "1610521604143693812": true}`;
  expect(parseJson(text)).toEqual({
    id: "1610521604143693812",
    next: ["-1610521604143693813", 9007199254740991, "9007199254740993"],
    real: Number("0.12345678901234567"),
    small: 0,
    exponent: Number("1234567890123456789e2"),
    text: 'id: 1610521604143693812, "1610521604143693812"',
    "1610521604143693812": true,
  });
});

test("a byte order mark is dropped", () => {
  expect(parseJson('\ufeff{"a": 1}')).toEqual({ a: 1 });
});

test.each([
  ['{"a": NaN}', "The text holds NaN, which JSON does not have; write null instead."],
  ["[-Infinity]", "The text holds -Infinity, which JSON does not have; write null instead."],
  ["{", "The text is not valid JSON."],
  [
    "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n",
    "not valid JSON, but a Git LFS pointer, which stands for a file that was not downloaded; run: git lfs pull.",
  ],
])("%s is refused", (text, message) => {
  expect(() => parseJson(text)).toThrow(message);
});

test("a megabyte of quotes and digits takes linear time", () => {
  const started = performance.now();
  const text = `["${'\\"'.repeat(500_000)}", ${"12345678901234567,".repeat(50_000)} 1]`;
  expect(parseJson(text)).toHaveLength(50_002);
  expect(() => parseJson('"\\'.repeat(300_000))).toThrow("not valid JSON");
  expect(performance.now() - started).toBeLessThan(2000);
});

test("attributes.json is read as every other JSON, and names the same causes", () => {
  const groups = [{ name: "__proto__", attributes: ["constructor"], templates: ["it is {}"] }];
  expect(parseVocabulary(`\ufeff${JSON.stringify({ groups })}`)).toEqual({ groups });
  expect(() => parseVocabulary("version https://git-lfs.github.com/spec/v1\n")).toThrow(
    /attributes\.json .* git lfs pull/,
  );
  expect(() => parseVocabulary('{"groups": NaN}')).toThrow("attributes.json holds NaN");
});
