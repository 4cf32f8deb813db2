import { existsSync } from "node:fs";
import { join } from "node:path";
import { type FeatherTable, type ImageAnnotation, readFeather, VillaError } from "@villa/data";
import { type Dataset, datasetFiles, readFileBytes, withPath } from "@villa/data/node";
import { sourcesFile } from "@villa/ingest/node";

/**
 * The id of each image outside of the dataset: that of the table it was ingested from, as COCO's files have it, where all
 * images have whole numbers that differ; else the dataset's own.
 *
 * @returns id by the dataset's image id
 */
export async function outsideIds(dataset: Dataset): Promise<ReadonlyMap<number, number>> {
  const own = new Map(dataset.annotations.map(({ imageId }) => [imageId, imageId]));
  const sources = await readTable(join(dataset.directory, sourcesFile));
  if (!sources) return own;
  const ids = sources.column("id").map((id) => (typeof id === "string" && /^\d+$/.test(id) ? Number(id) : Number.NaN));
  if (!ids.every(Number.isSafeInteger) || new Set(ids).size !== ids.length) return own;
  const outside = new Map(sources.column("image_id").map((imageId, i) => [Number(imageId), ids[i]!]));
  return new Map(dataset.annotations.map(({ imageId }) => [imageId, outside.get(imageId) ?? imageId]));
}

/**
 * The group of each row, by a column of the annotations or of the table that they were ingested from, such as the `group`
 * that `villa ingest --group-by` keeps together.
 *
 * @throws VillaError `InvalidArgument` for a column that does not exist or holds neither texts nor numbers
 */
export async function imageGroups(
  { directory }: Dataset,
  { rows, column }: { readonly rows: readonly ImageAnnotation[]; readonly column: string | undefined },
): Promise<(string | number)[] | undefined> {
  if (column === undefined) return undefined;
  const tables = [
    await readTable(join(directory, datasetFiles.annotations)),
    await readTable(join(directory, sourcesFile)),
  ];
  const table = tables.find((each) => each?.columnNames.includes(column));
  if (!table) {
    const names = [...new Set(tables.flatMap((each) => each?.columnNames ?? []))];
    throw new VillaError(
      "InvalidArgument",
      `The images of ${directory} have no column "${column}" to group by; there are ${names.join(", ")}.`,
    );
  }
  const values = table.column(column);
  const byId = new Map(table.column("image_id").map((imageId, i) => [Number(imageId), values[i]]));
  return rows.map(({ imageId }) => {
    const group = byId.get(imageId);
    if (typeof group === "string" || typeof group === "number") return group;
    throw new VillaError(
      "InvalidArgument",
      `Image ${imageId} of ${directory} has neither a text nor a number as "${column}"; images cannot be grouped by it.`,
    );
  });
}

async function readTable(path: string): Promise<FeatherTable | undefined> {
  return existsSync(path) ? withPath(path, async () => readFeather(await readFileBytes(path))) : undefined;
}
