import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { readFeather } from "@villa/data";
import { openDataset } from "@villa/data/node";
import { parquetWriteBuffer } from "hyparquet-writer";
import { expect, test } from "vitest";
import { ingestTable } from "../src/node.ts";
import { blank, TestFolder } from "./folder.ts";

const expected = [
  { text: "a red mug . no lid", attributes: ["red"], regionCoord: [[1, 2, 21, 22]], split: "train" },
  {
    text: "a lid",
    attributes: ["lid"],
    regionCoord: [
      [0, 0, 10, 10],
      [10, 5, 40, 30],
    ],
    split: "val",
  },
];
const boxes = [
  [[1, 2, 21, 22]],
  [
    [0, 0, 10, 10],
    [10, 5, 40, 30],
  ],
];

async function rowsOf(folder: TestFolder, table: string, options: Parameters<TestFolder["ingest"]>[1] = {}) {
  const attributes = await folder.attributes(["red", "lid"]);
  await folder.ingest(table, { attributes, ...options });
  const { annotations } = await openDataset(folder.file("data"));
  return annotations.map(({ text, attributes: own, regionCoord, split }) => ({
    text,
    attributes: own,
    regionCoord,
    split,
  }));
}

test("JSONL", async () => {
  const folder = await TestFolder.make();
  const table = await folder.jsonl([
    {
      image: "a.png",
      text: "A red mug. No lid!".replace("A", "a").replace("No", "no"),
      boxes: boxes[0],
      split: "train",
    },
    { image: "b.png", text: "a lid", boxes: [{ bbox: boxes[1]![0] }, { box: boxes[1]![1] }], split: "validation" },
  ]);
  expect(await rowsOf(folder, table)).toEqual(expected);
});

test("sentences are stored as they were taken apart, of one text or of several, in the language that is named", async () => {
  const folder = await TestFolder.make();
  const table = await folder.jsonl([
    { image: "a.png", text: "Ein roter Becher, z. B. links. Am 3. Mai: kein lid." },
    { image: "b.png", text: ["A lid. 3.5 cm", "red"] },
  ]);
  const attributes = await folder.attributes(["red", "lid"]);
  await folder.ingest(table, { attributes, language: "de" });
  const { annotations, vocabulary } = await openDataset(folder.file("data"));
  expect(annotations.map(({ sentences }) => sentences)).toEqual([
    ["Ein roter Becher, z. B. links", "Am 3. Mai: kein lid"],
    ["A lid", "3.5 cm", "red"],
  ]);
  expect(annotations[1]!.text).toBe("A lid . 3.5 cm . red");
  // Denials are known in English alone.
  expect(annotations[0]!.attributes).toEqual(["lid"]);
  expect(vocabulary).toMatchObject({ mentions: "words-negated-too", language: "de" });
  await expect(folder.ingest(table, { mine: 3, language: "de", out: folder.file("x") })).rejects.toThrow(
    "English alone",
  );
});

test("CSV with quotes, other column names, a byte order mark and Windows line ends", async () => {
  const folder = await TestFolder.make();
  const table = await folder.write(
    "table.csv",
    '\ufefffile,caption,rects,part\r\na.png,"a red mug.\r\nno lid","[[1, 2, 20, 20]]",train\r\nb.png,a lid,"[[0,0,10,10],[10,5,30,25]]",val\r\n',
  );
  const columns = { image: "file", text: "caption", boxes: "rects", split: "part" };
  expect(await rowsOf(folder, table, { columns, boxFormat: "xywh" })).toEqual(expected);
});

test("CSV with semicolons, as spreadsheets of many countries write it", async () => {
  const folder = await TestFolder.make();
  const table = await folder.write("table.csv", 'image;text;split\na.png;"a red mug, no lid";train\nb.png;a lid;val\n');
  expect(await rowsOf(folder, table, { regions: "full" })).toMatchObject([
    { text: "a red mug, no lid", attributes: ["red"] },
    { text: "a lid", attributes: ["lid"] },
  ]);
});

test("TSV in another encoding", async () => {
  const folder = await TestFolder.make();
  const bytes = Buffer.from("image\ttext\tattributes\na.png\tété ; rouge\tété|hiver\n", "latin1");
  const table = await folder.write("table.tsv", bytes);
  await folder.ingest(table, { encoding: "windows-1252", regions: "full" });
  const { annotations } = await openDataset(folder.file("data"));
  expect(annotations[0]).toMatchObject({
    text: "été . rouge",
    attributes: ["été", "hiver"],
    regionCoord: [[0, 0, 40, 30]],
  });
});

test("Parquet, with paths or with the images inside", async () => {
  const folder = await TestFolder.make();
  const column = (name: string, data: unknown[], type: "STRING" | "BYTE_ARRAY" = "STRING") => ({ name, data, type });
  const common = [
    column("text", ["a red mug. no lid", "a lid"]),
    column(
      "boxes",
      boxes.map((own) => JSON.stringify(own)),
    ),
    column("split", ["train", "dev"]),
  ];
  const parquet = (image: ReturnType<typeof column>) =>
    new Uint8Array(parquetWriteBuffer({ columnData: [image, ...common], rowGroupSize: 1 }));
  const paths = await folder.write("paths.parquet", parquet(column("image", ["a.png", "b.png"])));
  expect(await rowsOf(folder, paths)).toEqual(expected);
  const png = await blank([1, 2, 3]).png().toBuffer();
  const inside = await folder.write("inside.parquet", parquet(column("image", [png, png], "BYTE_ARRAY")));
  expect(await rowsOf(folder, inside, { overwrite: true })).toEqual(expected);
  // As writers do that do not say that bytes are texts.
  const plain = parquetWriteBuffer({
    columnData: [{ name: "image", data: ["a.png", "b.png"] }, ...common].map(({ name, data }) => ({
      name,
      data: data.map((text) => Buffer.from(text as string)),
      type: "BYTE_ARRAY" as const,
    })),
  });
  const unannotated = await folder.write("plain.parquet", new Uint8Array(plain));
  expect(await rowsOf(folder, unannotated, { overwrite: true })).toEqual(expected);
});

test("Parquet as Hugging Face writes it: images as { bytes, path }", async () => {
  const folder = await TestFolder.make();
  const optional = { repetition_type: "OPTIONAL", type: "BYTE_ARRAY" } as const;
  const png = await blank([1, 2, 3]).png().toBuffer();
  const buffer = parquetWriteBuffer({
    schema: [
      { name: "root", num_children: 3 },
      { name: "image", num_children: 2, repetition_type: "OPTIONAL" },
      { ...optional, name: "bytes" },
      { ...optional, name: "path", converted_type: "UTF8" },
      { ...optional, name: "text", converted_type: "UTF8" },
      { ...optional, name: "unused", converted_type: "UTF8" },
    ],
    columnData: [
      { name: "image", data: [{ bytes: new Uint8Array(png), path: "inside.png" }] },
      { name: "text", data: ["a red mug"] },
      { name: "unused", data: ["x"] },
    ],
  });
  expect(
    await rowsOf(folder, await folder.write("hf.parquet", new Uint8Array(buffer)), { regions: "full" }),
  ).toMatchObject([{ text: "a red mug", attributes: ["red"], regionCoord: [[0, 0, 40, 30]] }]);
});

test("images lie beside the table unless a folder is given; one that is not there is named once", async () => {
  const folder = await TestFolder.make();
  const table = await folder.write("images/table.csv", "image,text,attributes\na.png,red,red\nb.png,red,red\n");
  expect(await ingestTable({ table, out: folder.file("data") })).toMatchObject({ images: 2 });
  await expect(folder.ingest(table, { images: folder.file("elsewhere"), overwrite: true })).rejects.toMatchObject({
    code: "NotFound",
    message: expect.stringMatching(/^There is no folder of images .*elsewhere; see --images\.$/),
  });
});

test("a ragged row of CSV is a bad row, not the end of the table", async () => {
  const folder = await TestFolder.make();
  const table = await folder.write(
    "table.csv",
    "image,text,attributes\na.png,red,red\nb.png,red\nb.png,red, blue,red\nc.png,red,red\n",
  );
  await expect(folder.ingest(table)).rejects.toThrow(
    /row 1: it has 2 fields, but the head 3\n {2}row 2: it has 4 fields, but the head 3/,
  );
  expect(await folder.ingest(table, { skipBad: true })).toMatchObject({ images: 2, skippedRows: 2 });
});

test("the first line in which Excel names the separator is not the head", async () => {
  const folder = await TestFolder.make();
  const table = await folder.write(
    "table.csv",
    "\ufeffsep=|\r\nimage|text|attributes\r\na.png|red, with; a lid|red\r\n",
  );
  await folder.ingest(table);
  const { annotations } = await openDataset(folder.file("data"));
  expect(annotations[0]).toMatchObject({ text: "red, with . a lid", attributes: ["red"] });
});

test("both orders of utf-16 are read where --encoding names them", async () => {
  const folder = await TestFolder.make();
  const bytes = Buffer.from("\ufeffimage,text,attributes\na.png,été,red\n", "utf16le").swap16();
  const table = await folder.write("table.csv", bytes);
  await expect(folder.ingest(table, { encoding: "utf-16" })).rejects.toThrow("give --encoding utf-16be");
  await folder.ingest(table, { encoding: "utf-16be" });
  const { annotations } = await openDataset(folder.file("data"));
  expect(annotations[0]).toMatchObject({ text: "été" });
});

test("backslashes in paths of images lead to the same files, and not out of the folder", async () => {
  const folder = await TestFolder.make();
  await mkdir(folder.file("images/sub"));
  await blank([7, 8, 9]).toFile(folder.file("images/sub/d.png"));
  const table = await folder.jsonl([{ image: "sub\\d.png", text: "red", attributes: ["red"] }]);
  const proposals = await folder.write("boxes.json", '\ufeff{"sub/d.png": [[1, 2, 3, 4]]}');
  await folder.ingest(table, { regions: proposals });
  const { annotations } = await openDataset(folder.file("data"));
  expect(annotations[0]).toMatchObject({ regionCoord: [[1, 2, 3, 4]] });
  const outside = await folder.jsonl([{ image: "sub\\..\\..\\x.png", text: "red", attributes: ["red"] }]);
  await expect(folder.ingest(outside, { overwrite: true })).rejects.toThrow("outside of --images");
});

test("a byte order mark in front of JSON is dropped everywhere", async () => {
  const folder = await TestFolder.make();
  const attributes = await folder.write("words.json", '\ufeff["red"]');
  const json = JSON.stringify({ images: [{ id: 1, file_name: "a.png", text: "red" }] });
  const tables = [
    await folder.write("table.json", `\ufeff${json}`),
    await folder.write("table.jsonl", '\ufeff{"image": "a.png", "text": "red"}\n'),
  ];
  for (const table of tables) {
    expect(await folder.ingest(table, { attributes, overwrite: true })).toMatchObject({ images: 1 });
  }
});

test("integers above 2^53 keep their digits: neighbouring ids stay apart, groups stay together", async () => {
  const folder = await TestFolder.make();
  const row = (image: string, id: string, patient: string) =>
    `{"image": "${image}", "text": "red", "attributes": ["red"], "id": ${id}, "patient": ${patient}}\n`;
  const table = await folder.write(
    "table.jsonl",
    row("a.png", "1610521604143693812", "9007199254740993") + row("b.png", "1610521604143693813", "9007199254740992"),
  );
  await folder.ingest(table, { columns: { group: "patient" } });
  const sources = await readFeather(readFileSync(folder.file("data/sources.feather")));
  expect(sources.column("id")).toEqual(["1610521604143693812", "1610521604143693813"]);
  expect(sources.column("group")).toEqual(["9007199254740993", "9007199254740992"]);
});

test("NaN in a line of JSONL is named as what it is", async () => {
  const folder = await TestFolder.make();
  const table = await folder.write("table.jsonl", '{"image": "a.png", "text": "red", "score": NaN}\n');
  await expect(folder.ingest(table, { skipBad: false })).rejects.toThrow(
    "row 0: it holds NaN, which JSON does not have; write null instead",
  );
});

test("columns, splits, ids and attributes may be called as what every object has", async () => {
  const folder = await TestFolder.make();
  const attributes = await folder.attributes([
    { name: "constructor", synonyms: ["builder"] },
    { name: "__proto__", synonyms: ["ancestor"] },
    "toString",
  ]);
  const split = { split: "constructor" };
  const table = await folder.jsonl([
    { image: "a.png", text: "the builder and an ancestor", id: "__proto__", ...split },
    { image: "b.png", text: "a toString", id: "constructor", ...split },
  ]);
  await folder.ingest(table, { attributes });
  const { annotations, vocabulary } = await openDataset(folder.file("data"));
  expect(annotations).toMatchObject([
    { split: "constructor", attributes: ["constructor", "__proto__"] },
    { split: "constructor", attributes: ["toString"] },
  ]);
  expect(Object.entries(vocabulary.groups[0]!.synonyms!)).toEqual([
    ["constructor", ["builder"]],
    ["__proto__", ["ancestor"]],
  ]);
  await expect(folder.ingest(table, { columns: { text: "constructor" }, overwrite: true })).rejects.toThrow(
    'has no column "constructor"',
  );
});

test.each([
  ["null", "[null, 0, 5, 5]"],
  ["a truth value", "[true, 0, 5, 5]"],
  ["an object that cannot be turned into a text", '[{ "toString": 1 }, 0, 5, 5]'],
  ["deep lists", `[${"[".repeat(50_000)}${"]".repeat(50_000)}, 0, 5, 5]`],
])("a box with %s in place of a number is a bad box", async (_, box) => {
  const folder = await TestFolder.make();
  const table = await folder.write("table.jsonl", `{"image": "a.png", "text": "red", "boxes": [${box}]}\n`);
  await expect(folder.ingest(table)).rejects.toThrow("row 0: box 0 is not four numbers");
});

test("attributes that a row tells twice are compared", async () => {
  const folder = await TestFolder.make();
  const row = { image: "a.png", text: "red", boxes: [{ box: [1, 2, 3, 4], attributes: ["red"] }] };
  const table = await folder.jsonl([{ ...row, region_attributes: [["lid"]] }]);
  await expect(folder.ingest(table)).rejects.toThrow(
    'box 0, [1, 2, 3, 4], has the attributes "red", but its region attributes are "lid"',
  );
  const equal = await folder.jsonl([{ ...row, region_attributes: [["red"]] }]);
  expect(await folder.ingest(equal, { overwrite: true })).toMatchObject({ images: 1 });
});

test.each([
  [
    "a table that is not utf-8",
    "table.csv",
    Buffer.from("image,text\na.png,red\nb.png,\xe9t\xe9\n", "latin1"),
    /Line 3 .*utf-8.*--encoding/,
  ],
  [
    "a column that is missing",
    "table.csv",
    "file,text\na.png,red\n",
    /no column "image"; it has file, text.*--columns image=NAME/,
  ],
  [
    "a table of a spreadsheet's Unicode text",
    "table.csv",
    Buffer.from("\ufeffimage,text\na.png,red\n", "utf16le"),
    /Line 1 .*--encoding utf-16le, as its first bytes say/,
  ],
  [
    "the same with the other order of bytes",
    "table.csv",
    Buffer.from("\ufeffimage,text\na.png,red\n", "utf16le").swap16(),
    /Line 1 .*--encoding utf-16be, as its first bytes say/,
  ],
  [
    "a table of utf-16 without a mark",
    "table.jsonl",
    Buffer.from('{"image": "a.png"}', "utf16le"),
    /Line 1 .*--encoding utf-16le/,
  ],
  ["COCO in utf-16", "table.json", Buffer.from('\ufeff{"images": []}', "utf16le"), /but utf-16le; save it as utf-8/],
  [
    "a Git LFS pointer in place of a table",
    "table.csv",
    "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
    /table\.csv is not a table, but a Git LFS pointer.*git lfs pull/,
  ],
  [
    "COCO with NaN",
    "table.json",
    '{"images": [{"id": 1, "file_name": "a.png", "score": NaN}]}',
    /table\.json holds NaN, which JSON does not have; write null instead/,
  ],
  [
    "a table without attributes, and no other source of them",
    "table.csv",
    "image,text\na.png,red\n",
    /--attributes FILE/,
  ],
  [
    "COCO whose annotations belong to other images",
    "table.json",
    '{"images":[{"id":"a","file_name":"a.png"}],"annotations":[{"image_id":1,"caption":"red"}]}',
    /None of the annotations .* no image has the id 1/,
  ],
  ["two columns of one name", "table.csv", "image,text,text\na.png,red,blue\n", /two columns "text"/],
  ["a table without rows", "table.jsonl", "\n\n", /no rows/],
  ["something else", "table.xlsx", "PK", /ends in .jsonl, .ndjson, .csv, .tsv, .parquet, .json or .tar/],
  ["JSON that is no COCO", "table.json", "[1]", /COCO/],
  ["Parquet that is none", "table.parquet", "PAR1 nothing of the kind", /Parquet/],
])("%s is refused", async (_, name, contents, message) => {
  const folder = await TestFolder.make();
  await expect(folder.ingest(await folder.write(name, contents))).rejects.toThrow(message);
});
