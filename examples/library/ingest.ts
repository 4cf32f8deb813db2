// @villa/ingest: a dataset from a table and pictures of one's own, here drawn ones, and what was found in their texts.
import { writeFile } from "node:fs/promises";
import { generateDocMnist, glyphDigits } from "@villa/docmnist";
import { ingestTable, pictureToPng } from "@villa/ingest/node";

const digits = { train: glyphDigits(1, 100) };
const { train } = generateDocMnist({ digits, attributeBudget: 400, targetSampleComplexity: 16 });
const rows: string[] = [];
for (const [i, { image, width, height, text, regions }] of train.entries()) {
  await writeFile(`${i}.png`, await pictureToPng({ width, height, channels: 3, data: image }));
  rows.push(JSON.stringify({ image: `${i}.png`, text, boxes: regions.map(({ box }) => box) }));
}
await writeFile("table.jsonl", rows.join("\n"));
await writeFile("words.json", JSON.stringify(["red", "green", { name: "round", synonyms: ["circle"] }]));

const result = await ingestTable({ table: "table.jsonl", attributes: "words.json", out: "own" });
console.log(`${result.images} images, ${result.regions} regions`, result.splits);
console.log(result.attributes?.map(({ name, images }) => `${name}: ${images} images`).join(", "));
