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

test("COCO: boxes, categories as the truth about regions, captions", async () => {
  const folder = await TestFolder.make();
  const table = await folder.write(
    "coco.json",
    JSON.stringify({
      images: [
        { id: 7, file_name: "a.png", caption: "A red mug.", patient: "p" },
        { id: 9, file_name: "b.png", patient: "p" },
      ],
      annotations: [
        { image_id: 7, bbox: [1.4, 2, 19, 20.5], category_id: 2 },
        { image_id: 9, bbox: [0, 0, 10, 10], category_id: 1, attributes: ["red"] },
        { image_id: 9, caption: "A lid." },
        { image_id: 9, caption: "red" },
      ],
      categories: [
        { id: 1, name: "lid" },
        { id: 2, name: "mug" },
      ],
    }),
  );
  const result = await folder.ingest(table, { columns: { group: "patient" }, boxFormat: "xywh" });
  const { annotations, vocabulary } = await openDataset(folder.file("data"));
  expect(annotations).toMatchObject([
    { text: "A red mug", regionCoord: [[1, 2, 21, 23]], regToAttr: [["mug"]], attributes: ["mug"] },
    { text: "A lid . red", regionCoord: [[0, 0, 10, 10]], regToAttr: [["lid", "red"]], attributes: ["lid", "red"] },
  ]);
  expect(vocabulary.groups[0]!.attributes).toEqual(["mug", "lid", "red"]);
  expect(annotations[0]!.split).toBe(annotations[1]!.split);
  expect(result).toMatchObject({ images: 2, regions: 2, rows: 2, complete: true });
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
    /Line 1 .*--encoding \(utf-16le, as/,
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
    '{"images":[{"id":"1","file_name":"a.png"}],"annotations":[{"image_id":2,"caption":"red"}]}',
    /an annotation belongs to image 2, which the file does not list/,
  ],
  ["a ragged table", "table.csv", "image,text,attributes\na.png,red\n", /row 0: it has 2 values for 3 columns/],
  ["quotes that nothing closes", "table.csv", 'image,text,attributes\na.png,"red,red\n', /not a proper table.*line 2/],
  ["two columns of one name", "table.csv", "image,text,text\na.png,red,blue\n", /two columns "text"/],
  ["a table without rows", "table.jsonl", "\n\n", /no rows/],
  ["something else", "table.xlsx", "PK", /ends in \.jsonl, \.csv/],
  ["JSON that is no COCO", "table.json", "[1]", /COCO/],
  ["Parquet that is none", "table.parquet", "PAR1 nothing of the kind", /Parquet/],
])("%s is refused", async (_, name, contents, message) => {
  const folder = await TestFolder.make();
  await expect(folder.ingest(await folder.write(name, contents))).rejects.toThrow(message);
});

test("the separator that Excel's first line names; backslashes in paths", async () => {
  const folder = await TestFolder.make(["a.png"]);
  const { mkdir, copyFile } = await import("node:fs/promises");
  await mkdir(folder.file("images/sub"));
  await copyFile(folder.file("images/a.png"), folder.file("images/sub/b.png"));
  const table = await folder.write(
    "excel.csv",
    '\ufeffsep=;\r\nimage;text;attributes\r\na.png;"red, round";red\r\nsub\\b.png;"one, two, three";red\r\n',
  );
  expect(await rowsOf(folder, table)).toMatchObject([{ text: "red, round" }, { text: "one, two, three" }]);
});

test("UTF-16 of either order is named as what it is", async () => {
  const folder = await TestFolder.make();
  const little = Buffer.from("\ufeffimage,text\na.png,red\n", "utf16le");
  const big = Buffer.from(little).swap16();
  await expect(folder.ingest(await folder.write("l.csv", little))).rejects.toThrow(/--encoding \(utf-16le, as/);
  await expect(folder.ingest(await folder.write("b.csv", big))).rejects.toThrow(/--encoding \(utf-16be, as/);
  const table = await folder.write(
    "b.csv",
    Buffer.from("\ufeffimage,text,attributes\na.png,red,red\n", "utf16le").swap16(),
  );
  expect(await folder.ingest(table, { encoding: "utf-16be" })).toMatchObject({ images: 1 });
});

test("Parquet strings without the note that they are text, a path as bytes among them", async () => {
  const folder = await TestFolder.make();
  const { parquetWriteBuffer } = await import("hyparquet-writer");
  const bytes = (text: string) => new TextEncoder().encode(text);
  const buffer = parquetWriteBuffer({
    columnData: [
      { name: "image", data: [bytes("a.png"), bytes("b.png")], type: "BYTE_ARRAY" },
      { name: "text", data: [bytes("a red mug"), bytes("rouge, a lid")], type: "BYTE_ARRAY" },
      { name: "attributes", data: [bytes('["red"]'), bytes("lid;red")], type: "BYTE_ARRAY" },
    ],
  });
  const table = await folder.write("bytes.parquet", new Uint8Array(buffer));
  expect(await rowsOf(folder, table)).toMatchObject([
    { text: "a red mug", attributes: ["red"] },
    { text: "rouge, a lid", attributes: ["lid", "red"] },
  ]);
});
