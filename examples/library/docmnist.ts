// @villa/docmnist: generates a dataset in memory, draws it, writes the folder that every later step reads.
import { writeFile } from "node:fs/promises";
import { encodePng, generateDocMnist, glyphDigits, montage } from "@villa/docmnist";
import { digestDataset, writeDataset } from "@villa/docmnist/node";

const digits = { train: glyphDigits(1, 500) };
const options = { digits, attributeBudget: 400, valAttributeBudget: 100, targetSampleComplexity: 16 };

const { train } = generateDocMnist(options);
for (const { text, regions } of train.slice(0, 3)) console.log(regions.length, "regions:", text);
await writeFile("docmnist.png", encodePng(montage(train.slice(0, 9))));

const { directory, splits } = await writeDataset({ ...options, out: "data" });
console.log(directory, splits, (await digestDataset(directory)).train?.images);
