// DeepFashion, In-shop Clothes Retrieval: `node --import tsx deepfashion.ts DEEPFASHION OUT [attributes.json]`.
// DEEPFASHION holds img/, Anno/list_bbox_inshop.txt, Anno/list_description_inshop.json and Eval/list_eval_partition.txt.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type DatasetRow, parseSplitShares, writeDataset } from "@villa/ingest/node";

const [fashion = "deepfashion", out = "data/deepfashion", file] = process.argv.slice(2);
const garments = ["dress", "blouse", "tee", "jacket", "jeans", "skirt", "sweater", "cardigan", "shorts", "romper"];
const looks = ["striped", "floral", "lace", "denim", "knit", "sleeveless", "cropped", "pleated", "hooded", "button"];
const attributes = file ?? [...garments, ...looks];

/** Lines of DeepFashion's tables, behind their number and their head. */
async function lines(...path: string[]): Promise<string[][]> {
  const text = await readFile(join(fashion, ...path), "utf8");
  return text
    .trim()
    .split(/\r?\n/)
    .slice(2)
    .map((line) => line.trim().split(/\s+/));
}

interface Item {
  readonly item: string;
  readonly color: string;
  readonly description: readonly string[];
}

async function* rows(): AsyncGenerator<DatasetRow> {
  const items = JSON.parse(await readFile(join(fashion, "Anno/list_description_inshop.json"), "utf8")) as Item[];
  const texts = new Map(
    items.map(({ item, color, description }) => [item, [`The colour is ${color}.`, ...description]]),
  );
  const boxes = new Map(
    (await lines("Anno/list_bbox_inshop.txt")).map(([image, , , ...box]) => [image, box.map(Number)]),
  );
  for (const [image = "", item = "", part = ""] of await lines("Eval/list_eval_partition.txt")) {
    const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = boxes.get(image) ?? [];
    // Queries and gallery show the same items; a share of the items for training judges the epochs.
    const split = part === "train" ? undefined : "test";
    yield { id: image, image, text: texts.get(item) ?? "", boxes: [[x0, y0, x1, y1]], split, group: item };
  }
}

const options = {
  images: fashion,
  out,
  attributes,
  inflections: true,
  clipBoxes: true,
  skipBad: true,
  split: parseSplitShares("train=0.9,val=0.1"),
};
const result = await writeDataset(rows(), options);
console.log(`${result.images} images, ${result.regions} regions, ${result.skippedRows} rows left out`);
