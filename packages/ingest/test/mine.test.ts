import { readFileSync } from "node:fs";
import { openDataset } from "@villa/data/node";
import { expect, test } from "vitest";
import { proposeGroups } from "../src/node/mine.ts";
import { mineAttributes } from "../src/node.ts";
import { TestFolder } from "./folder.ts";

const texts = [
  "There is a small pleural effusion . the thoracic spine is straight",
  "Two nodules . a pleural effusion",
  "A nodule . no fracture",
  "pleural effusion . It is large",
  "a nodule in the spine",
];

test("frequent nouns with their adjectives, plurals as synonyms; what is denied does not count", async () => {
  const mined = await mineAttributes(texts, 3);
  expect(mined.map(({ name, texts: count }) => [name, count])).toEqual([
    ["nodule", 3],
    ["pleural effusion", 3],
    ["spine", 2],
  ]);
  expect(mined[0]!.synonyms).toEqual(["nodules"]);
  expect(mined[1]!.example).toBe("There is a small pleural effusion");
  expect((await mineAttributes(texts, 50)).map(({ name }) => name)).not.toContain("fracture");
});

test("adjectives are found alone, and words that end in s are not cut", async () => {
  const captions = [
    "a red mug beside a lens",
    "two red lenses",
    "the cup is red . a 50 mm lens",
    "a blue mug . a lens",
    "no red cup . blue",
  ];
  const mined = await mineAttributes(captions, 50);
  // As a dataset counts them.
  const counts = new Map(mined.map(({ name, texts: count }) => [name, count]));
  expect([counts.get("red"), counts.get("blue"), counts.get("mug")]).toEqual([3, 2, 2]);
  expect(counts.get("lens")).toBe(4);
  expect(mined.find(({ name }) => name === "lens")!.synonyms).toEqual(["lenses"]);
  expect([...counts.keys()].filter((name) => /\blen\b/.test(name))).toEqual([]);
});

test("other spellings are synonyms of one attribute, and groups are proposed", async () => {
  const mined = await mineAttributes(
    [
      "a grey t-shirt . a small wooden box",
      "a gray T shirt . two boxes",
      "a grey t-shirt . a large shiny box",
      "a red t-shirt in the centre . the center is wooden",
      "a grey mug . a shiny mug",
    ],
    50,
  );
  const of = (name: string) => mined.find((each) => each.name === name);
  expect(of("grey")).toMatchObject({ synonyms: ["gray"], texts: 4 });
  expect(of("t-shirt")).toMatchObject({ synonyms: ["t shirt"], texts: 4 });
  expect(of("box")).toMatchObject({ synonyms: ["boxes"], texts: 3 });
  const named = ["red", "t-shirt", "grey", "large", "wooden", "shiny", "small", "left", "red box"];
  const entries = named.map((name) => ({ name, texts: 1, example: name }));
  const groups = (await proposeGroups(entries)).map(({ name, attributes }) => [
    name,
    attributes.map((each) => each.name),
  ]);
  expect(groups).toEqual([
    ["colour", ["red", "grey"]],
    ["thing", ["t-shirt", "red box"]],
    ["size", ["large", "small"]],
    ["material", ["wooden"]],
    ["quality", ["shiny"]],
    ["place", ["left"]],
  ]);
});

test("--mine lists its phrases in a file that --attributes takes", async () => {
  const folder = await TestFolder.make();
  const table = await folder.jsonl(texts.map((text) => ({ image: "a.png", text })));
  await folder.ingest(table, { mine: 3 });
  const { annotations } = await openDataset(folder.file("data"));
  expect(annotations.map(({ attributes }) => attributes)).toEqual([
    ["pleural effusion", "spine"],
    ["nodule", "pleural effusion"],
    ["nodule"],
    ["pleural effusion"],
    ["nodule", "spine"],
  ]);
  const attributes = await folder.write("edited.json", readFileSync(folder.file("data/mined-attributes.json")));
  await folder.ingest(table, { attributes, out: folder.file("again") });
  expect((await openDataset(folder.file("again"))).annotations).toEqual(annotations);
  await expect(folder.ingest(table, { attributes, mine: 3 })).rejects.toThrow("not both");
});
