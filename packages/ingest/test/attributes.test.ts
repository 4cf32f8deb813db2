import { describe, expect, test } from "vitest";
import { parseAttributeFile, parseRow } from "../src/index.ts";

describe("the file of attributes", () => {
  test("a list of words and entries", () => {
    const json = JSON.stringify([
      "red",
      { name: "grey", synonyms: ["gray"] },
      { name: "lid", templates: ["with a {}"] },
    ]);
    const { groups, mentions } = parseAttributeFile(json);
    expect(mentions).toBe("words");
    expect(groups).toMatchObject([
      { name: "attribute", attributes: ["red", "grey"], synonyms: { grey: ["gray"] } },
      { name: "lid", attributes: ["lid"], templates: ["with a {}"] },
    ]);
    expect(groups[0]!.templates.every((template) => template.includes("{}"))).toBe(true);
  });

  test("groups, and what ingest itself has written", () => {
    const groups = [
      { name: "colour", templates: ["it is {}"], attributes: ["red", "grey"], synonyms: { grey: ["gray"] } },
    ];
    expect(parseAttributeFile(JSON.stringify({ version: 1, groups }), { negation: false })).toEqual({
      mentions: "words-negated-too",
      groups,
    });
  });

  test.each([
    ["{", /not valid JSON/],
    ["{}", /neither a list nor/],
    ["[]", /names none/],
    ['["red", "red"]', /"red" is named twice/],
    ['[{"synonyms": ["a"]}]', /attribute 1 .* has no name/],
    ['[{"name": "a", "synonyms": "b"}]', /synonyms of "a"/],
    ['[{"name": "a", "templates": ["b"]}]', /"b" of "a" does not contain/],
    ['{"groups": [{"attributes": ["a"]}]}', /group 1 has no name/],
  ])("%s is refused", (json, message) => {
    expect(() => parseAttributeFile(json)).toThrow(message);
  });
});

test("cells hold lists as lists, as JSON or with separators", () => {
  const base = { image: "a.png", text: "x" };
  for (const attributes of [["red", "blue"], '["red", "blue"]', "red; blue", "red|blue|", ["red", "blue", "red"]]) {
    expect(parseRow({ ...base, attributes }, 0).attributes).toEqual(["red", "blue"]);
  }
  expect(parseRow({ ...base, boxes: "[[1, 2, 3, 4]]", id: 5n }, 0)).toMatchObject({ boxes: [[1, 2, 3, 4]], id: "5" });
  expect(parseRow({ ...base, boxes: [], attributes: null }, 0).boxes).toBeUndefined();
  expect(() => parseRow({ ...base, attributes: [1] }, 0)).toThrow("not a list of words");
  expect(() => parseRow({ ...base, boxes: "[1" }, 0)).toThrow("not valid JSON");
});

test("names that differ in case alone are refused, in a file and in a table", async () => {
  expect(() => parseAttributeFile('["cup", "Cup"]')).toThrow('The attributes "cup" and "Cup" differ in case alone');
  const { TestFolder } = await import("./folder.ts");
  const folder = await TestFolder.make();
  const table = await folder.jsonl(
    ["cup", "Cup"].map((attribute) => ({ image: "a.png", text: "x", attributes: [attribute] })),
  );
  await expect(folder.ingest(table)).rejects.toThrow("differ in case alone");
  const attributes = await folder.attributes(["cup"]);
  expect(await folder.ingest(table, { attributes, overwrite: true })).toMatchObject({ attributes: [{ images: 2 }] });
});
