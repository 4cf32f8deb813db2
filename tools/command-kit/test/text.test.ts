import { expect, test } from "vitest";
import { byteSize, counted, listed, printable, table } from "../src/index.ts";
import { displayWidth, fitted, printableLines } from "../src/text.ts";

test("what could command a terminal is escaped as in JSON", () => {
  const hostile = "a\u001b]0;title\u0007\u001b[31mred\u009b2J\r\u202egnp.exe";
  const shown = printable(hostile);
  expect(shown).toBe("a\\u001b]0;title\\u0007\\u001b[31mred\\u009b2J\\u000d\\u202egnp.exe");
  expect(JSON.parse(`"${shown}"`)).toBe(hostile);
  expect(printable("two\nlines")).toBe("two\\u000alines");
  expect(printableLines("two\n\tlines\u001b[2J")).toBe("two\n\tlines\\u001b[2J");
  expect(printable("Grüße, 写真 👩‍👧 – ε")).toBe("Grüße, 写真 👩‍👧 – ε");
});

test("tables align, numbers to the right; a cell cannot break its row", () => {
  expect(
    table([
      ["attribute", "F1"],
      ["red", 9.5],
      ["circle", 71.25],
    ]),
  ).toBe("attribute     F1\n─────────  ─────\nred          9.5\ncircle     71.25");
  expect(table([["name"], ["a\nb"]]).split("\n")).toEqual(["name", "────────", "a\\u000ab"]);
  const [head, , row] = table([
    ["name", "n"],
    ["写真", 1],
  ]).split("\n");
  expect(displayWidth(row!)).toBe(displayWidth(head!));
});

test("texts are cut to columns", () => {
  expect(fitted("abcdef", 6)).toBe("abcdef");
  expect(fitted("abcdefg", 6)).toBe("abcde…");
  expect(displayWidth(fitted("写真写真", 6))).toBeLessThanOrEqual(6);
});

test("sizes are never nothing", () => {
  expect([0, 1, 999, 1000, 2_000_000, 3.14e9, 5e12].map(byteSize)).toEqual([
    "0 bytes",
    "1 byte",
    "999 bytes",
    "1.0 kB",
    "2.0 MB",
    "3.1 GB",
    "5000.0 GB",
  ]);
});

test("counts and lists read as English", () => {
  expect([0, 1, 2].map((n) => counted(n, "image"))).toEqual(["0 images", "1 image", "2 images"]);
  expect(counted(2, "entry", "entries")).toBe("2 entries");
  expect([[], ["a"], ["a", "b"], ["a", "b", "c"]].map((words) => listed(words))).toEqual([
    "",
    "a",
    "a and b",
    "a, b and c",
  ]);
});
