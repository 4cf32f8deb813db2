// Open-i's chest radiographs of Indiana University: `node --import tsx open-i.ts OPENI OUT [findings.json]`.
// OPENI holds ecgen-radiology/*.xml and NLMCXR_png/*.png.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type DatasetRow, writeDataset } from "@villa/ingest/node";
import { XMLParser } from "fast-xml-parser";

const [openI = "open-i", out = "data/open-i", attributes = join(import.meta.dirname, "findings.json")] =
  process.argv.slice(2);
const xml = new XMLParser({
  ignoreAttributes: false,
  parseTagValue: false,
  isArray: (name) => name === "AbstractText" || name === "parentImage",
});

async function* rows(): AsyncGenerator<DatasetRow> {
  for (const name of (await readdir(join(openI, "ecgen-radiology"))).sort()) {
    if (!name.endsWith(".xml")) continue;
    const { eCitation } = xml.parse(await readFile(join(openI, "ecgen-radiology", name), "utf8"));
    const parts: Record<"@_Label" | "#text", string>[] = eCitation.MedlineCitation.Article.Abstract?.AbstractText ?? [];
    const text = parts.map((part) => `${part["@_Label"]}: ${part["#text"] ?? ""}`).join("\n\n");
    for (const { "@_id": id } of (eCitation.parentImage ?? []) as { "@_id": string }[]) {
      yield { id, image: join("NLMCXR_png", `${id}.png`), text, group: name };
    }
  }
}

const reading = { attributes, sections: ["FINDINGS", "IMPRESSION"], inflections: true, uncertain: "omit" } as const;
const options = { images: openI, out, image: { maxSide: 512 }, skipBad: true };
const result = await writeDataset(rows(), { ...options, ...reading });
console.log(`${result.images} images, ${result.regions} regions, ${result.skippedRows} rows left out`);
