import { readFeather } from "@villa/data";
import { openDataset, readFileBytes } from "@villa/data/node";
import { expect, test } from "vitest";
import { hashSplit, parseSplitShares, sourcesFile } from "../src/node.ts";
import { TestFolder } from "./folder.ts";

test("splits depend on the key and the seed alone, and have about the shares asked for", () => {
  const shares = parseSplitShares("train=0.6, val=0.3,test=0.1");
  const splits = Array.from({ length: 4000 }, (_, i) => hashSplit(`image ${i}`, { shares, seed: 23 }));
  const share = (name: string) => splits.filter((split) => split === name).length / splits.length;
  expect(share("train")).toBeCloseTo(0.6, 1);
  expect(share("val")).toBeCloseTo(0.3, 1);
  expect(share("test")).toBeCloseTo(0.1, 1);
  expect(hashSplit("image 7", { shares, seed: 23 })).toBe(splits[7]);
  expect(Array.from({ length: 50 }, (_, i) => hashSplit(`image ${i}`, { shares, seed: 24 }))).not.toEqual(
    splits.slice(0, 50),
  );
});

test.each(["train=0.8", "train=0.5,train=0.5", "a=2,b=-1", "0.8,0.2", "", "tain=1"])("%j is refused", (text) => {
  expect(() => parseSplitShares(text)).toThrow(expect.objectContaining({ code: "InvalidArgument" }));
});

const rows = Array.from({ length: 60 }, (_, i) => ({
  id: i,
  image: "a.png",
  text: "red",
  attributes: "red",
  patient: `patient ${i % 20}`,
}));

test("no group crosses splits, and rows can be traced back", async () => {
  const folder = await TestFolder.make();
  await folder.ingest(await folder.jsonl(rows), { columns: { group: "patient" } });
  const { annotations, splits } = await openDataset(folder.file("data"));
  expect(splits.length).toBeGreaterThan(1);
  for (let patient = 0; patient < 20; patient++) {
    expect(new Set([0, 20, 40].map((i) => annotations[patient + i]!.split)).size).toBe(1);
  }
  const sources = await readFeather(await readFileBytes(folder.file("data", sourcesFile)));
  expect([...sources.rows()][21]).toEqual({ image_id: 21, source: "a.png", id: "21", group: "patient 1" });
});

test("splits are listed in the order in which they are used", async () => {
  const folder = await TestFolder.make();
  const named = ["odd", "test", "val", "train"].map((split) => ({ ...rows[0], id: split, split }));
  const { splits } = await folder.ingest(await folder.jsonl(named));
  expect(splits?.map(({ split }) => split)).toEqual(["train", "val", "test", "odd"]);
});

test("a table that tears a group apart is refused", async () => {
  const folder = await TestFolder.make();
  const torn = rows.map((row, i) => ({ ...row, split: i < 30 ? "train" : "test" }));
  const ingesting = folder.ingest(await folder.jsonl(torn), { columns: { group: "patient" } });
  await expect(ingesting).rejects.toThrow('puts the group "patient 10" into two splits, train and test');
});

test("a row without a group is a bad row, so that a misspelt --group-by does not pass", async () => {
  const folder = await TestFolder.make();
  const ingesting = folder.ingest(await folder.jsonl(rows), { columns: { group: "pacient" } });
  await expect(ingesting).rejects.toThrow('row 0: it has no "pacient" to group it by');
});
