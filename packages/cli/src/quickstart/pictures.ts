import { type MappingAnnotation, regionMasks } from "@villa/data";
import type { Dataset } from "@villa/data/node";
import { encodePng, renderSample } from "@villa/docmnist";
import type { MappedRegionPicture, SamplePicture } from "../report/data.ts";
import { cropped, pngUrl, thumbnail } from "../report/thumbnail.ts";

/** Pixels around a region that show its surroundings. */
const margin = 2;
/** Regions are drawn about this wide. */
const side = 128;

/** Images of a split with their boxes. */
export async function samplePictures(
  dataset: Dataset,
  { split, count }: { readonly split: string; readonly count: number },
): Promise<SamplePicture[]> {
  return Promise.all(
    dataset
      .rows(split)
      .slice(0, count)
      .map(async (row) => {
        const { data, width, height } = await dataset.readImage(row);
        const masks = regionMasks(row);
        const regions = row.regionCoord.map((box, i) => ({
          box,
          mask: masks?.[i],
          attributes: row.regToAttr?.[i] ?? [],
        }));
        const picture = renderSample(
          { width, height, image: data, regions, text: row.text },
          { captions: false, scale: 4 },
        );
        return { png: pngUrl(encodePng(picture)), text: row.text, regions: regions.length };
      }),
  );
}

/** Regions that a mapping got entirely right, and others; at most one of each kind an image, so that they differ. */
export async function mappedRegionPictures(
  dataset: Dataset,
  { mappings, count }: { readonly mappings: readonly MappingAnnotation[]; readonly count: number },
): Promise<{ right: MappedRegionPicture[]; wrong: MappedRegionPicture[] }> {
  const found = { right: [] as MappedRegionPicture[], wrong: [] as MappedRegionPicture[] };
  for (const row of mappings) {
    if (found.right.length >= count && found.wrong.length >= count) break;
    const verdicts = row.regionCoord.map((_, i) => isRight(row, i));
    for (const [kind, verdict] of [
      ["right", true],
      ["wrong", false],
    ] as const) {
      const region = verdicts.indexOf(verdict);
      if (region >= 0 && found[kind].length < count) found[kind].push(await picture(dataset, row, region));
    }
  }
  return found;
}

function isRight(row: MappingAnnotation, region: number): boolean {
  const truth = row.regToAttr?.[region] ?? [];
  const assigned = row.assignedAttributes[region] ?? [];
  return truth.length === assigned.length && assigned.every((attribute) => truth.includes(attribute));
}

async function picture(dataset: Dataset, row: MappingAnnotation, region: number): Promise<MappedRegionPicture> {
  const image = cropped(await dataset.readImage(row), { box: row.regionCoord[region]!, margin });
  return {
    png: pngUrl(thumbnail(image, { boxes: [], side })),
    imageId: row.imageId,
    truth: row.regToAttr?.[region] ?? [],
    assigned: row.assignedAttributes[region] ?? [],
  };
}
