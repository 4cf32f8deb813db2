import { readdir, readFile } from "node:fs/promises";
import { openDataset } from "@villa/data/node";
import { expect, test } from "vitest";
import { ingestFiles } from "../src/index.ts";
import { TestFolder } from "./folder.ts";

/** The folder as a page gets it from a drop. */
async function dropped(folder: TestFolder): Promise<Map<string, Blob>> {
  const files = new Map<string, Blob>();
  for (const name of await readdir(folder.path)) {
    if (name.includes(".")) files.set(`mine/${name}`, new Blob([await readFile(folder.file(name))]));
  }
  for (const name of await readdir(folder.file("images"))) {
    files.set(`mine/images/${name}`, new Blob([await readFile(folder.file("images", name))]));
  }
  return files;
}

const polygon = JSON.stringify([[[2, 2, 20, 2, 20, 20, 2, 20]], null]);
const tables: readonly (readonly [string, string])[] = [
  [
    "boxes with masks, groups, splits and true attributes",
    [
      "id;image;text;boxes;masks;region_attributes;split;group",
      `1;images/a.png;"A red mug. No lid.";"[[0,0,20.4,20],[5,5,40,30]]";"${polygon.replaceAll('"', '""')}";"[[""red""],[""mug"",""lid""]]";training;p`,
      "2;images\\b.png;blue;;;;valid;q",
      "3;./images/c.png;A lid;;;;;r",
      "",
    ].join("\r\n"),
  ],
  [
    "attributes of its own, splits by hash",
    "image,text,attributes\nimages/a.png,x,red|mug\nimages/b.png,y,\nimages/c.png,z,blue\n",
  ],
];

test.each(tables)("%s: the same annotations as from the disk", async (_, csv) => {
  const folder = await TestFolder.make();
  const table = await folder.write("table.csv", csv);
  const hasOwn = csv.includes("attributes\n");
  const attributes = hasOwn ? undefined : await folder.attributes(["red", "blue", "mug", "lid"]);
  const hole = csv.includes(",y,\n");
  if (hole) {
    await expect(folder.ingest(table, { images: folder.path })).rejects.toThrow(
      "row 1 (images/b.png): it has no attributes",
    );
    await expect(ingestFiles({ table: "mine/table.csv", files: await dropped(folder) })).rejects.toThrow(
      "1 row of mine/table.csv cannot be used; put right what is listed:\n  row 1 (images/b.png): it has no attributes; give some, or put a file attributes.json beside the table",
    );
    await folder.write("table.csv", csv.replace(",y,\n", ",y,blue\n"));
  }
  await folder.ingest(table, { images: folder.path, attributes, overwrite: hole });
  const dataset = await openDataset(folder.file("data"));
  const { annotations, vocabulary } = await ingestFiles({
    table: "mine/table.csv",
    files: await dropped(folder),
    attributes: attributes && "mine/words.json",
  });
  expect(vocabulary).toEqual(dataset.vocabulary);
  const plain = (rows: readonly object[]) => rows.map((row) => ({ ...row, imageFilepath: "" }));
  expect(plain(annotations)).toEqual(plain(dataset.annotations));
  expect(annotations.map(({ imageFilepath }) => imageFilepath)).toEqual(
    ["a", "b", "c"].map((name) => `mine/images/${name}.png`),
  );
});

test.each([
  [
    "a column that is missing",
    "file,text\nimages/a.png,red\n",
    /has no column "image"; it has file, text. Name the column/,
  ],
  ["no attributes anywhere", "image,text\nimages/a.png,red\n", /no column of attributes; give some, or put a file/],
  ["two columns of a name", "image,image\na,b\n", /two columns "image"/],
  ["a quote that does not end", 'image,text,attributes\nimages/a.png,"red,red\n', /is not a proper table/],
  ["no rows", "image,text,attributes\n", /has no rows/],
  [
    "a picture that is missing",
    "image,text,attributes\nimages/z.png,red,red\n",
    /row 0 \(images\/z.png\): its image cannot be read: there is no such file/,
  ],
  [
    "a picture that is a table",
    "image,text,attributes\ntable.csv,red,red\n",
    /row 0 \(table.csv\): its image cannot be read/,
  ],
  ["a row that is too short", "image,text,attributes\nimages/a.png\n", /row 0: it has 1 field, but the head 3/],
  [
    "a box outside",
    'image,text,attributes,boxes\nimages/a.png,red,red,"[[0,0,50,20]]"\n',
    /box 0, \[0, 0, 50, 20\], reaches outside of its 40 × 30 pixels \(make it end there\)/,
  ],
  [
    "an id twice",
    "id,image,text,attributes\n1,images/a.png,red,red\n1,images/b.png,red,red\n",
    /row 1: its id "1" is that of row 0 too/,
  ],
])("%s is refused in a sentence, which names no option of a command", async (_, csv, message) => {
  const folder = await TestFolder.make();
  await folder.write("table.csv", csv);
  const error = await ingestFiles({ table: "mine/table.csv", files: await dropped(folder) }).catch((cause) => cause);
  expect(error.message).toMatch(message);
  expect(error.message).not.toContain(" --");
});
