import { longTexts } from "@villa/testing/long-texts";
import { expect, test } from "vitest";
import { decodeJson, parseJson } from "../src/index.ts";

test("whole numbers beyond 2⁵³ keep their digits; all else is as JSON.parse has it", () => {
  const text = `{"id": 1610521604143693812, "n": -9007199254740993, "s": "1610521604143693812 \\" 12345678901234567",
    "list": [9007199254740991, 0.30000000000000004, 12345678901234567890.5, 1e21, 123456789012345678e2, 0, -1]}`;
  expect(parseJson(text)).toEqual({
    id: "1610521604143693812",
    n: "-9007199254740993",
    s: '1610521604143693812 " 12345678901234567',
    list: [2 ** 53 - 1, 0.1 + 0.2, Number("12345678901234567890.5"), 1e21, Number("123456789012345678e2"), 0, -1],
  });
  expect(parseJson("\ufeff[1]")).toEqual([1]);
});

const encode = (text: string) => new TextEncoder().encode(text);

test.each([
  [
    "NaN",
    encode('{"note": "NaN", "area": [1, NaN]}'),
    /^x\.json is not valid JSON: it holds NaN, which .*Python writes/,
  ],
  ["-Infinity", encode("[-Infinity]"), /it holds Infinity, which JSON does not have/],
  [
    "a pointer",
    encode("version https://git-lfs.github.com/spec/v1\noid sha256:0"),
    /a Git LFS pointer.*run: git lfs pull/,
  ],
  ["a ZIP archive", encode("PK\u0003\u0004…"), /but a ZIP archive/],
  ["nothing", encode(" \n"), /it is empty/],
  ["a cut text", encode('{"a": [1, 2'), /^x\.json is not valid JSON: .+\.$/],
  ["UTF-16", Uint8Array.of(0xff, 0xfe, 0x5b, 0, 0x5d, 0), /x\.json is in UTF-16.*save it as UTF-8/],
  ["UTF-16, big-endian", Uint8Array.of(0xfe, 0xff, 0, 0x5b, 0, 0x5d), /x\.json is in UTF-16/],
  ["bytes", Uint8Array.of(0x5b, 0xe9, 0x5d), /x\.json is not JSON in UTF-8/],
])("%s in place of JSON is named", (_, bytes, message) => {
  expect(() => decodeJson(bytes, "x.json")).toThrow(expect.objectContaining({ code: "InvalidFile" }));
  expect(() => decodeJson(bytes, "x.json")).toThrow(message);
});

test("awkward texts of a megabyte are refused at once", () => {
  const others = ['"\\"', '"', "\\", "N", "1234567890123456 ", "[", '{"a":'].map((piece) =>
    piece.repeat(2 ** 20 / piece.length),
  );
  for (const text of [...longTexts.map(([, long]) => long), ...others]) {
    expect(() => parseJson(`1234567890123456789 ${text}`)).toThrow(/is not valid JSON/);
  }
}, 20_000);
