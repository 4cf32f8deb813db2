import { formatVocabulary, writeAnnotations } from "@villa/data";
import { type Zippable, zipSync } from "fflate";
import type { Dataset } from "./dataset.ts";

/** The dataset's folder as a ZIP archive: `annotations.feather`, `attributes.json` and the images. */
export async function zipDataset(dataset: Dataset): Promise<Uint8Array<ArrayBuffer>> {
  const folder: Zippable = {
    "annotations.feather": await writeAnnotations(dataset.rows),
    "attributes.json": new TextEncoder().encode(formatVocabulary(dataset.vocabulary)),
  };
  for (const [row, { imageFilepath }] of dataset.rows.entries()) folder[imageFilepath] = await dataset.imageFile(row);
  const files = Object.entries(folder).map(([path, contents]) => [`${dataset.name}/${path}`, contents]);
  // Image files are compressed already. A fixed date makes equal datasets equal archives.
  return zipSync(Object.fromEntries(files), { level: 0, mtime: "1980-01-01T00:00:00" }) as Uint8Array<ArrayBuffer>;
}
