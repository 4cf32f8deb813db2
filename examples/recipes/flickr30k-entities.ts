// Flickr30k Entities: `node --import tsx flickr30k-entities.ts FLICKR OUT [attributes.json]`.
// FLICKR holds flickr30k-images/, Sentences/, Annotations/, train.txt, val.txt and test.txt.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { AttributeMentions } from "@villa/data";
import { parseAttributeFile } from "@villa/ingest";
import { type DatasetRow, writeDataset } from "@villa/ingest/node";
import { XMLParser } from "fast-xml-parser";

const [flickr = "flickr30k", out = "data/flickr30k", words] = process.argv.slice(2);
const read = (...path: string[]) => readFile(join(flickr, ...path), "utf8");

const common = ["man", "woman", "boy", "girl", "child", "dog", "shirt", "hat", "bike", "ball", "car", "street"];
const attributes = words === undefined ? JSON.stringify(common) : await readFile(words, "utf8");
const rules = { inflections: true };
const mentions = new AttributeMentions(parseAttributeFile(attributes, rules));
const xml = new XMLParser({ parseTagValue: false, isArray: (name) => name === "object" || name === "name" });

interface Thing {
  readonly name: readonly string[];
  readonly bndbox?: Record<"xmin" | "ymin" | "xmax" | "ymax", string> | undefined;
}

async function* rows(): AsyncGenerator<DatasetRow> {
  for (const split of ["train", "val", "test"]) {
    for (const id of (await read(`${split}.txt`)).split(/\s+/).filter(Boolean)) {
      const captions = (await read("Sentences", `${id}.txt`)).trim();
      // "[/EN#73585/people A man] rides": the phrases of each entity tell what its boxes show.
      const phrases = new Map<string, string>();
      for (const [, entity, phrase] of captions.matchAll(/\[\/EN#(\d+)\/\S+ ([^\]]*)\]/g)) {
        phrases.set(entity!, `${phrases.get(entity!) ?? ""}\n${phrase}`);
      }
      const { annotation } = xml.parse(await read("Annotations", `${id}.xml`)) as { annotation: { object?: Thing[] } };
      yield {
        id,
        image: join("flickr30k-images", `${id}.jpg`),
        text: captions.replaceAll(/\[\/EN#\S+ ([^\]]*)\]/g, "$1").split("\n"),
        boxes: (annotation.object ?? []).flatMap(({ name, bndbox }) => {
          if (!bndbox) return []; // the whole scene, or nothing to be seen
          const { xmin, ymin, xmax, ymax } = bndbox;
          const said = name.map((entity) => phrases.get(entity) ?? "").join("\n");
          return [{ box: [+xmin, +ymin, +xmax, +ymax] as const, attributes: mentions.find(said) }];
        }),
        split,
      };
    }
  }
}

const options = { ...rules, attributes: JSON.parse(attributes), clipBoxes: true, skipBad: true };
const result = await writeDataset(rows(), { images: flickr, out, ...options });
console.log(`${result.images} images, ${result.regions} regions, ${result.skippedRows} rows left out`);
