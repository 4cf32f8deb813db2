// COCO 2017, captions and instances: `node --import tsx coco.ts COCO OUT [train2017 val2017]`.
// COCO holds annotations/captions_train2017.json, annotations/instances_train2017.json, train2017/ and so on.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type DatasetRow, writeDataset } from "@villa/ingest/node";

const [coco = "coco", out = "data/coco", ...given] = process.argv.slice(2);
const parts = given.length > 0 ? given : ["train2017", "val2017"];

interface Annotation {
  readonly image_id: number;
  readonly caption: string;
  readonly bbox: readonly [x: number, y: number, width: number, height: number];
  readonly category_id: number;
  readonly iscrowd: 0 | 1;
}

async function annotations(name: string) {
  const json = JSON.parse(await readFile(join(coco, "annotations", `${name}.json`), "utf8"));
  const ofImage = new Map<number, Annotation[]>();
  for (const each of json.annotations as Annotation[]) {
    ofImage.set(each.image_id, [...(ofImage.get(each.image_id) ?? []), each]);
  }
  return { images: json.images as { id: number; file_name: string }[], categories: json.categories, ofImage };
}

const { categories } = await annotations(`instances_${parts[0]}`);
const names = new Map((categories as { id: number; name: string }[]).map(({ id, name }) => [id, name]));
const people = ["man", "woman", "boy", "girl", "child", "guy", "lady"];
const attributes = [...names.values()].map((name) => (name === "person" ? { name, synonyms: people } : name));

async function* rows(): AsyncGenerator<DatasetRow> {
  for (const part of parts) {
    const captions = await annotations(`captions_${part}`);
    const instances = await annotations(`instances_${part}`);
    for (const { id, file_name: file } of captions.images) {
      const things = (instances.ofImage.get(id) ?? []).filter(({ iscrowd }) => iscrowd === 0);
      yield {
        id,
        image: join(part, file),
        text: (captions.ofImage.get(id) ?? []).map(({ caption }) => caption),
        boxes: things.map(({ bbox: [x, y, width, height], category_id: category }) => {
          return { box: [x, y, x + width, y + height], attributes: [names.get(category)!] };
        }),
        split: part.replace(/\d+$/, ""),
      };
    }
  }
}

const result = await writeDataset(rows(), { images: coco, out, attributes, inflections: true, skipBad: true });
console.log(`${result.images} images, ${result.regions} regions, ${result.skippedRows} rows left out`);
