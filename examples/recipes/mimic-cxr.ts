// MIMIC-CXR-JPG with the boxes of Chest ImaGenome: `node --import tsx mimic-cxr.ts MIMIC IMAGENOME OUT [findings.json]`.
// MIMIC holds files/, the reports beside them as files/p10/p10000032/s50414267.txt, and mimic-cxr-2.0.0-split.csv.gz and
// -metadata.csv.gz; IMAGENOME holds silver_dataset/scene_graph/*_SceneGraph.json.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { attributeNames } from "@villa/data";
import { parseAttributeFile } from "@villa/ingest";
import { type DatasetRow, writeDataset } from "@villa/ingest/node";

const [mimic = "mimic-cxr-jpg", imaGenome = "imagenome", out = "data/mimic", findings] = process.argv.slice(2);
const file = findings ?? join(import.meta.dirname, "findings.json");
const known = new Set(attributeNames(parseAttributeFile(await readFile(file, "utf8"))));

/** Rows of a compressed CSV file without quotes. */
async function table(name: string): Promise<Record<string, string>[]> {
  const [head, ...lines] = gunzipSync(await readFile(join(mimic, name)))
    .toString()
    .trim()
    .split(/\r?\n/);
  const columns = head!.split(",");
  return lines.map((line) => Object.fromEntries(line.split(",").map((value, i) => [columns[i]!, value])));
}

interface SceneGraph {
  readonly objects: readonly (Record<"original_x1" | "original_y1" | "original_x2" | "original_y2", number> & {
    readonly bbox_name: string;
  })[];
  readonly attributes: readonly { readonly bbox_name: string; readonly attributes: readonly (readonly string[])[] }[];
}

/** The anatomy of a picture, each part with those findings that its report tells of it. */
async function regions(dicom: string): Promise<DatasetRow["boxes"]> {
  const path = join(imaGenome, "silver_dataset/scene_graph", `${dicom}_SceneGraph.json`);
  if (!existsSync(path)) return undefined;
  const { objects, attributes } = JSON.parse(await readFile(path, "utf8")) as SceneGraph;
  return objects.map(({ bbox_name: name, original_x1: x0, original_y1: y0, original_x2: x1, original_y2: y1 }) => {
    const told = attributes.filter((each) => each.bbox_name === name).flatMap((each) => each.attributes.flat());
    const there = told.flatMap((each) => /^(?:anatomicalfinding|disease)\|yes\|(.*)$/.exec(each)?.[1] ?? []);
    return { box: [x0, y0, x1, y1], attributes: [...new Set(there.filter((each) => known.has(each)))] };
  });
}

async function* rows(): AsyncGenerator<DatasetRow> {
  const metadata = await table("mimic-cxr-2.0.0-metadata.csv.gz");
  const views = new Map(metadata.map((row) => [row.dicom_id, row.ViewPosition]));
  for (const { dicom_id: id = "", study_id: study, subject_id: patient, split } of await table(
    "mimic-cxr-2.0.0-split.csv.gz",
  )) {
    if (!/^(?:AP|PA)$/.test(views.get(id) ?? "")) continue; // Chest ImaGenome has frontal views alone
    const folder = join("files", `p${patient?.slice(0, 2)}`, `p${patient}`, `s${study}`);
    const text = await readFile(join(mimic, `${folder}.txt`), "utf8").catch(() => "");
    yield { id, image: join(folder, `${id}.jpg`), text, boxes: await regions(id), split, group: patient };
  }
}

const reading = {
  attributes: file,
  sections: ["FINDINGS", "IMPRESSION"],
  inflections: true,
  uncertain: "omit",
} as const;
const options = { images: mimic, out, image: { maxSide: 512 }, clipBoxes: true, skipBad: true };
const result = await writeDataset(rows(), { ...options, ...reading });
console.log(`${result.images} images, ${result.regions} regions, ${result.skippedRows} rows left out`);
