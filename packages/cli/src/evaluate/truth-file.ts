import { VillaError } from "@villa/data";
import type { CocoDataset } from "@villa/metrics";
import { readJsonFile } from "./read-json.ts";

/**
 * Reads an annotation file. What its entries say is checked by the evaluation.
 *
 * @throws VillaError as `readJsonFile`, and `InvalidFile` for a file without the lists of COCO's format
 */
export async function readTruthFile(path: string): Promise<CocoDataset> {
  const truth = ((await readJsonFile(path)) ?? {}) as Record<string, unknown>;
  for (const name of ["images", "annotations", "categories"] as const) {
    const list = truth[name];
    if (!Array.isArray(list)) {
      throw new VillaError("InvalidFile", `${path} has no list "${name}"; give a COCO or LVIS annotation file.`);
    }
    const wrong = list.findIndex((entry) => typeof entry !== "object" || entry === null);
    if (wrong >= 0) {
      throw new VillaError(
        "InvalidFile",
        `Entry ${wrong} of "${name}" in ${path} is ${JSON.stringify(list[wrong])}, not an object.`,
      );
    }
  }
  return truth as unknown as CocoDataset;
}
