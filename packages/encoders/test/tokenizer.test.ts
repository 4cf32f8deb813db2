import { bytes } from "@villa/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ClipTokenizer } from "../src/index.ts";
import { cleanText } from "../src/tokenizer/clean-text.ts";
import { endOfText, startOfText } from "../src/tokenizer/vocabulary.ts";

const tokenizer = new ClipTokenizer();

describe("cleaning", () => {
  test.each([
    ["A  B\t\nC ", "a b c"],
    // Python: html.unescape(html.unescape(text)), stripped, spaces joined, lower-case
    [
      "&lt;b&gt; &amp;amp; &#65;&#x42; &notit; &#x80; &#0; &#1; &#xD800; &nbsp &#129; &#13; &ampx &unknown; &CounterClockwiseContourIntegral; &#xFDD0;",
      "<b> & ab ¬it; € \ufffd \ufffd \u0081 &x &unknown; ∳",
    ],
    ["“curly” ‘quotes’ don’t", "\"curly\" 'quotes' don't"],
    ["ﬁne ﬂow Ĳ", "fine flow ij"],
    ["ＦＵＬＬ　ｗｉｄｔｈ", "full width"],
    ["e\u0301", "é"],
    ["a\u0000b\u0007c\ufeff", "abc"],
    ["\u001b[31mred\u001b[0m", "red"],
    ["lone \ud800 half", "lone \ufffd half"],
    ["ΣΊΣΥΦΟΣ İ", "σίσυφος i̇"],
  ])("%j", (text, expected) => {
    expect(cleanText(text)).toBe(expected);
  });
});

describe("tokens", () => {
  test("special tokens in a text are single tokens", () => {
    expect(tokenizer.encode("<|startoftext|> a <|endoftext|>")).toEqual([
      startOfText,
      startOfText,
      320,
      endOfText,
      endOfText,
    ]);
  });

  test("the long s after an apostrophe is CLIP's 's", () => {
    const [, ...plain] = tokenizer.encode("'ſ");
    const [, quote, ...rest] = tokenizer.encode("' ſ");
    expect(plain).not.toEqual([quote, ...rest]);
  });

  test("long texts are cut and keep the end token", () => {
    const ids = tokenizer.encode("red ".repeat(200));
    expect(ids).toHaveLength(77);
    expect(ids[0]).toBe(startOfText);
    expect(ids[76]).toBe(endOfText);
    expect(new Set(ids.slice(1, 76)).size).toBe(1);
    expect(new ClipTokenizer({ contextLength: 4 }).encode("one two three four")).toHaveLength(4);
  });

  test("an endless word is cut without changing its beginning", () => {
    const letters = Array.from(bytes("word", 8000), (byte) => String.fromCharCode(97 + (byte % 26))).join("");
    expect(tokenizer.encode(letters)).toEqual(tokenizer.encode(letters.slice(0, 6000)));
    expect(tokenizer.encode(letters)).toHaveLength(77);
  });

  test("a batch is padded with zeros; rows that are too short for a text are refused", () => {
    const batch = tokenizer.encodeBatch(["red", "a red circle"], { length: 6 });
    expect([...batch.ids]).toEqual([startOfText, 736, endOfText, 0, 0, 0, ...tokenizer.encode("a red circle"), 0]);
    expect(() => tokenizer.encodeBatch(["a red circle"], { length: 3 })).toThrow(/5 tokens/);
    expect(() => new ClipTokenizer({ contextLength: 1 })).toThrow(/contextLength/);
  });

  test("decoding gives the cleaned text back, whatever the script", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 20 }), (text) => {
        const cleaned = cleanText(text).replace(/<\|(?:start|end)oftext\|>/g, "");
        const letters = (s: string) => s.replace(/\p{White_Space}+/gu, "");
        const wide = new ClipTokenizer({ contextLength: 500 });
        expect(letters(wide.decode(wide.encode(text)))).toBe(letters(cleaned));
      }),
    );
  });

  test("every id is in the vocabulary and every sequence is framed", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 0x10ffff }), { maxLength: 150 }), (codes) => {
        const text = String.fromCodePoint(...codes);
        const ids = tokenizer.encode(text);
        expect(ids.length).toBeLessThanOrEqual(77);
        expect(ids[0]).toBe(startOfText);
        expect(ids.at(-1)).toBe(endOfText);
        expect(ids.every((id) => Number.isInteger(id) && id >= 0 && id <= endOfText)).toBe(true);
      }),
    );
  });
});
