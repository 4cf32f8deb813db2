import { assignmentChips, type FigureRegion, type JudgedRegion, type RegionFigure } from "@villa/command-kit";
import { readMappings, regionMasks } from "@villa/data";
import { type Dataset, readFileBytes, withPath } from "@villa/data/node";

/** A mapping that a run has written. */
export interface MappedFile {
  readonly split: string;
  readonly path: string;
}

/** Some pictures of a split with what their regions were given. */
export interface MappedSamples {
  readonly split: string;
  readonly rows: readonly MappedPicture[];
}

/** A picture whose regions also tell what they were given, and truly have. */
export interface MappedPicture extends RegionFigure {
  readonly regions: readonly (FigureRegion & JudgedRegion)[];
}

/** Pictures on a page. */
const mostPictures = 6;

/** The first images of a mapping that was not learned from where there is one: test, val, else whatever was mapped. */
export async function mappedSamples(
  dataset: Dataset,
  mappings: readonly MappedFile[],
): Promise<MappedSamples | undefined> {
  const of = (name: string) => mappings.find(({ split }) => split === name);
  const shown = of("test") ?? of("val") ?? mappings[0];
  if (!shown) return undefined;
  const { split, path } = shown;
  const rows = await withPath(path, async () => readMappings(await readFileBytes(path)));
  const { withoutTruth } = dataset.vocabulary;
  const pictures = rows.slice(0, mostPictures).map(async (row) => {
    const masks = regionMasks(row);
    return {
      image: await dataset.readImage(row),
      title: `image ${row.imageId}`,
      text: row.text,
      regions: row.regionCoord.map((box, i) => {
        const judged = { attributes: row.regToAttr?.[i], assigned: row.assignedAttributes[i], withoutTruth };
        return { ...judged, box, mask: masks?.[i], label: String(i + 1), notes: assignmentChips(judged) };
      }),
    };
  });
  return { split, rows: await Promise.all(pictures) };
}
